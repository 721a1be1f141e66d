"""A random black-box tester of `ivs-apply`, written from its documents alone.

Each round, from one seed: an empty emulator, foreign objects, random valid manifests of all kinds, a random
sequence of applies, edits, hand changes, faults, kills, concurrent runs and live audiences; then clean runs, and
boto3 as the judge. See `README.md` beside this file.

Modules: `emulator` (process and control requests), `account` (the account as boto3 sees it), `program` (runs the
binary, checks what holds for each run), `manifests` (generate, edit, write), `expect` (what a manifest means, by our
own reading), `moves` (steps of a round), `judge` (the verdicts), `play` (one round), `__main__` (many rounds, shrink).
"""
