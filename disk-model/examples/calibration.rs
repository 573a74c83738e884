//! Every figure that a model is held to, beside what the model does.
//!
//! `cargo run --release -p disk-model --example calibration`

use block_types::Bytes;
use disk_model::products::{self, Origin, Quantity};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let capacity = Bytes(32 << 30);
    for product in products::ALL {
        println!("{} ({})", product.model, product.name);
        for figure in product.figures {
            let found = figure.of(&product.predict(figure, capacity)?);
            let (scale, unit) = match figure.value {
                Quantity::Iops(_) => (1.0, "IOPS"),
                Quantity::BytesPerS(_) => (1e6, "MB/s"),
            };
            let (kind, source) = match figure.origin {
                Origin::DataSheet(source) => ("sheet", source),
                Origin::Measured(source) => ("measured", source),
                Origin::Derived(source) => ("derived", source),
            };
            println!(
                "  {:<40} {:>8.0} {unit}  model {:>8.0}  {:>+5.1} %  {kind}: {source}",
                figure.what,
                figure.number() / scale,
                found / scale,
                (found / figure.number() - 1.0) * 100.0,
            );
        }
        println!("  {}\n", product.assumptions);
    }
    Ok(())
}
