#!/bin/sh
# pynetdicom.sh FOLDER: makes FOLDER/environment, a Python environment with pynetdicom. Fails where it can't be had.
set -eu
/usr/bin/python3 -m venv "$1/environment"
exec "$1/environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --timeout 20 --retries 1 \
    pynetdicom==3.0.4 pydicom==3.0.2
