"""Runs Samba's tests of the raw DCE/RPC protocol, which Samba holds against Windows too, against a server on port 135 of this
machine: those whose names contain an argument, but not those behind `--except`. Prints one line of JSON per test."""

import json
import os
import sys
import tempfile
import unittest

configuration = tempfile.NamedTemporaryFile("w", suffix=".conf")
os.environ.update(SMB_CONF_PATH=configuration.name, SERVER="127.0.0.1", IGNORE_RANDOM_PAD="1")
os.environ.update(USERNAME="", PASSWORD="", DOMAIN="", REALM="")

from samba.tests.dcerpc import raw_protocol  # noqa: E402


class Judge(raw_protocol.TestDCERPC_BIND):
    # By default Samba's tests name context 65535 and expect it back as 255, which is Windows' doing and not the standard's.
    def prepare_presentation(self, *args, context_id=7, **others):
        return super().prepare_presentation(*args, context_id=context_id, **others)


class Lines(unittest.TestResult):
    def say(self, test, passed, why=""):
        print(json.dumps({"test": test._testMethodName, "passed": passed, "why": why}), flush=True)

    def addSuccess(self, test):
        self.say(test, True)

    def addFailure(self, test, error):
        self.say(test, False, self._exc_info_to_string(error, test))

    addError = addFailure


split = sys.argv.index("--except") if "--except" in sys.argv else len(sys.argv)
patterns, exceptions = sys.argv[1:split], sys.argv[split + 1 :]
names = unittest.defaultTestLoader.getTestCaseNames(Judge)
chosen = [name for name in names if any(part in name for part in patterns) and name not in exceptions]
sys.stderr = open(os.devnull, "w")
unittest.TestSuite(Judge(name) for name in chosen).run(Lines())
