"""The pages of a partner kit: what stands in its README, and its example."""

from __future__ import annotations

from typing import Final

README: Final = """# TEST TOKENS: no real authority made them

`{issuer}` does not exist. Its keys were made for this folder on {at} and thrown away; no
node believes them. The tokens and keys that are good are so until {until}.

Each file in `questions/` is a body for `POST /verify`, or for your own verifier. What must come:

| question | verdict | code | why |
| --- | --- | --- | --- |
{rows}
`not valid` is an answer (HTTP 200, `valid: false`, the code in `reason`). `refused` is a problem
document (HTTP 4xx) with the code: what was handed in is no token that could be judged.

- `tokens/`: what was issued, as it was signed. `jwks.json`: the keys; `jwks.jws`: the same,
  signed by the root in `root-key.txt`.
- `log.jsonl`: the entries of the log; their root is in `head.json`, signed.
- `revocations.json`, `status-list.jwt`: what was withdrawn, as the two lists of a node.
- `expected.json`: the table above, for programs. `run.py` asks all questions and compares:

      python run.py
"""

RUN: Final = '''"""Ask every question of this folder, with no node and no network."""

import json
import sys
from pathlib import Path

from rtgf_node.client.kit import KitVerifier
from rtgf_node.errors import RtgfError

verifier = KitVerifier(Path(__file__).parent)
wrong = 0
for expected in verifier.expected():
    try:
        answer = json.loads(verifier.answer(verifier.question(expected)))
        came = answer["valid"], answer["reason"]
    except RtgfError as error:
        came = None, error.code.name
    wrong += came != (expected.valid, expected.reason)
    print(f"{expected.question:28} {came[1] or 'valid'}")
sys.exit(wrong)
'''
