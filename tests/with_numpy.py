"""numpy, of the Python in the path or of the system's, which has Debian's packages; without it the test is skipped."""
import os
import sys

SYSTEM = "/usr/bin/python3"

try:
    import numpy
except ImportError:
    if os.path.realpath(sys.executable) != os.path.realpath(SYSTEM) and os.path.exists(SYSTEM):
        os.execv(SYSTEM, [SYSTEM, *sys.argv])
    print("skipped: no numpy (Debian: python3-numpy)")
    sys.exit(77)
