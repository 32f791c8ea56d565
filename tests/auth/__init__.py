"""Tests of opostd.auth."""
