"""Tests of opostd.render."""
