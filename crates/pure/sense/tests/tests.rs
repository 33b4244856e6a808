//! Sense's tests, one program.

mod bounds;
mod endorse;
mod exfil;
mod hostile;
mod joined;
mod matrix;
mod meaning;
mod pieces;
mod places;
mod properties;
mod said;
mod short;
mod torn;
mod trails;
mod unfound;
mod unrelated;
mod wrap;
