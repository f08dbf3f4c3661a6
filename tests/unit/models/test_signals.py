import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import gc, signal, threading
import torch
from recue.models.runtime import compile_network

def network():
    return torch.nn.Sequential(torch.nn.Flatten(), Half()).eval()

class Half(torch.nn.Module):
    def forward(self, frames):
        return frames.float() / 2

def make(key):
    return compile_network(network, [(1, 8, 8, 3)], key=key, runtime="openvino", precision="fp32", threads=1)

signal.signal(signal.SIGINT, lambda *_: print("heard", flush=True))
first, second = make("one"), make("two")
del first
gc.collect()
del second
gc.collect()
signal.raise_signal(signal.SIGINT)

held = [make("one")]
thread = threading.Thread(target=lambda: (held.clear(), gc.collect()))
thread.start()
thread.join()
signal.raise_signal(signal.SIGINT)
"""


def test_a_signal_is_heard_after_networks_were_freed(tmp_path: Path) -> None:
    """Freed cores of OpenVINO leave dangling signal stacks; the process would die of the next Ctrl-C."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"RECUE_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "heard\nheard\n"
