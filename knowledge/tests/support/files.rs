//! PDF and DOCX files for tests, made from nothing.
