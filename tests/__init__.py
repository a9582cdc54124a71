"""Tests of publish-action: real files, real servers, real installers; only the far side of the wire is ever made up."""
