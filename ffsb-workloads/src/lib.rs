//! FFSB profiles: parser, runner and report.
