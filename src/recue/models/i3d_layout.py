"""I3D's layer table and what follows from it; needs no torch.

Source: the table is figure 3 of the paper named in `recue.models.i3d`.
"""

FEATURE_DIM = 1024
N_CLASSES = 400

#: Name, input channels, (1x1, 3x3 reduce, 3x3, second 3x3 reduce, second 3x3, pooled 1x1) of each Inception block.
MIXED: tuple[tuple[str, int, tuple[int, int, int, int, int, int]], ...] = (
    ("Mixed_3b", 192, (64, 96, 128, 16, 32, 32)),
    ("Mixed_3c", 256, (128, 128, 192, 32, 96, 64)),
    ("Mixed_4b", 480, (192, 96, 208, 16, 48, 64)),
    ("Mixed_4c", 512, (160, 112, 224, 24, 64, 64)),
    ("Mixed_4d", 512, (128, 128, 256, 24, 64, 64)),
    ("Mixed_4e", 512, (112, 144, 288, 32, 64, 64)),
    ("Mixed_4f", 528, (256, 160, 320, 32, 128, 128)),
    ("Mixed_5b", 832, (256, 160, 320, 32, 128, 128)),
    ("Mixed_5c", 832, (384, 192, 384, 48, 128, 128)),
)

#: In a stream without padding, by stride: step k is centred on frame `stride * k - delay`. Each layer adds, in
#: cells of its own input: the first convolution 2 (its input is 4 frames ahead of its centre, its output starts 5
#: before), every 3-wide layer 1, pooling its half width; with stride 4 the last blocks see every other cell.
DELAY_FRAMES = {8: 42, 4: 46}


def state_shapes(height: int, width: int, stride: int) -> list[tuple[int, ...]]:
    """Shapes `[phases, channels, cells, rows, columns]` of what a stream keeps between chunks.

    Args:
        height: Rows of the frames.
        width: Columns of the frames.
        stride: Frames of a step, 8 or 4.
    """
    maps = [(height, width)]
    for _ in range(5):
        rows, columns = maps[-1]
        maps.append((-(-rows // 2), -(-columns // 2)))
    shapes: list[tuple[int, ...]] = [(1, 3, 5, *maps[0]), (1, 64, 2, *maps[2])]
    for name, channels, _ in MIXED:
        level = int(name[6])
        if name == "Mixed_4b":
            shapes.append((1, channels, 1, *maps[3]))
        if name == "Mixed_5b" and stride == 4:
            shapes.append((1, channels, 1, *maps[4]))
        shapes.append((8 // stride if level == 5 else 1, channels, 2, *maps[level]))
    return shapes
