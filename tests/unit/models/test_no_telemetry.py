import subprocess
import sys

CONVERT = """
import os, threading
import recue.models
import openvino, torch

def fork():
    raise AssertionError("something forks to send reports")

os.fork = fork
openvino.convert_model(torch.nn.Linear(2, 2), example_input=torch.zeros(1, 2))
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(5)
import sys
assert sys.modules["openvino_telemetry"] is None
print("quiet")
"""


def test_a_conversion_reports_to_nobody() -> None:
    done = subprocess.run([sys.executable, "-c", CONVERT], capture_output=True, text=True, check=False)

    assert done.stdout.strip().endswith("quiet"), done.stderr
    assert "send reports" not in done.stderr
