//! Run records and charts.
