//! The `confirmed` strategy: what stays in force was shown to be better, on live traffic and under guard.

mod brood;
mod gain;
mod share;
mod thrash;
