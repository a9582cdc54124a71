"""The action as GitHub runs it: one step by the rules of actions/runner 2.336 (2026-08), and what GitHub keeps."""
