#!/bin/bash
# Gradescope runs this once, when the autograder's image is built.
apt-get update && apt-get install -y --no-install-recommends python3 python3-numpy
