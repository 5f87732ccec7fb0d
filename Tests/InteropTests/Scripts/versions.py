"""Prints the versions of the packages named as arguments, so that a test can tell that the right software answers."""

import importlib.metadata
import json
import sys

print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
