//! `store:`: the file in which what webhooks change outlives the process.

use std::path::PathBuf;

use crate::config::reader::{Code, Field, ReadContext, Reading};

/// Where the store is, if there is one.
pub(crate) fn store<'a>(file: Field<'a>, cx: ReadContext<'a>) -> Reading<Option<PathBuf>> {
    let places = [cx.variable("BAILIFF_STORE"), file];
    if !places.iter().any(|field| field.is_present()) {
        return Ok(None);
    }
    let read = ReadContext::first(&places, |field| {
        field.parse(Code::WrongValue, "the path of a file", path_of_store)
    });
    read.map(Some)
}

/// The errors complete "`store` …". Whether the file is there, and is a store, is for who opens it.
fn path_of_store(text: &str) -> Result<PathBuf, &'static str> {
    match text {
        text if text.contains('\0') => Err("has a NUL in it"),
        text if text.ends_with('/') => Err("is the path of a folder"),
        text if text.len() > 4095 => Err("is a path longer than the 4095 bytes that one can have"),
        text => Ok(PathBuf::from(text)),
    }
}
