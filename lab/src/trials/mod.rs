//! Trials under real load: how soon the guard acts, how often it is wrong, and what a campaign promotes that is no
//! better.

pub mod aa;
pub mod guard;
mod subject;
