"""Tests of writing alerts down."""
