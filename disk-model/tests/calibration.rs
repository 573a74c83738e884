//! Every model does what its product's figures say, within 10 %.

use block_types::Bytes;
use disk_model::products;

/// As an emulated disk is: far smaller than the product.
const CAPACITY: Bytes = Bytes(32 << 30);

#[test]
fn every_model_is_within_ten_percent_of_its_products_figures() {
    let mut far_off = Vec::new();
    for product in products::ALL {
        for figure in product.figures {
            let found = figure.of(&product.predict(figure, CAPACITY).unwrap());
            let off = found / figure.number() - 1.0;
            if !(-0.1..=0.1).contains(&off) {
                far_off.push(format!(
                    "{}, {}: found {found:.0}, expected {:.0} ± 10 %",
                    product.name,
                    figure.what,
                    figure.number()
                ));
            }
        }
    }
    assert!(far_off.is_empty(), "{}", far_off.join("\n"));
}

#[test]
fn every_kind_has_the_figures_that_calibrate_it() {
    for (kind, least) in [
        ("kind = \"hdd\"", 2),
        ("kind = \"sata-ssd\"", 2),
        ("kind = \"nvme\"", 2),
        ("kind = \"cloud-volume\"", 1),
    ] {
        let of_kind: Vec<_> =
            products::ALL.into_iter().filter(|product| product.toml.contains(kind)).collect();
        assert!(of_kind.len() >= least, "{kind}");
        for product in of_kind {
            for words in ["sequential read", "sequential write", "random read", "70 % reads", "depth 32"] {
                assert!(
                    product.figures.iter().any(|figure| figure.what.contains(words)),
                    "{}: no figure for {words}",
                    product.name
                );
            }
        }
    }
}
