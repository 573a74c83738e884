//! The products that the models are calibrated to, with their figures and where these come from.

/// A product.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// What [`crate::Params::named`] knows it by.
    pub name: &'static str,
    /// Its parameters.
    pub toml: &'static str,
}

macro_rules! product {
    ($name:literal, $file:literal) => {
        Product { name: $name, toml: include_str!(concat!("../../products/", $file, ".toml")) }
    };
}

/// All of them; the first of a name is the default.
pub static ALL: [Product; 9] = [
    product!("wd-ultrastar-dc-hc310", "wd-ultrastar-dc-hc310"),
    product!("seagate-constellation-es3", "seagate-constellation-es3"),
    product!("samsung-850-evo-250gb", "samsung-850-evo-250gb"),
    product!("intel-dc-s4600", "intel-dc-s4600"),
    product!("samsung-970-evo-plus-1tb", "samsung-970-evo-plus-1tb"),
    product!("intel-dc-p3700-2tb", "intel-dc-p3700-2tb"),
    product!("intel-dc-p3600-2tb", "intel-dc-p3600-2tb"),
    product!("aws-ebs-gp3", "aws-ebs-gp3"),
    product!("aws-ebs-gp2", "aws-ebs-gp2"),
];

/// The product of a name, or the default one of a kind.
#[must_use]
pub fn find(name: &str) -> Option<&'static Product> {
    let name = match name {
        "hdd-7200" => "wd-ultrastar-dc-hc310",
        "sata-ssd" => "samsung-850-evo-250gb",
        "nvme" => "samsung-970-evo-plus-1tb",
        "cloud-volume" => "aws-ebs-gp3",
        other => other,
    };
    ALL.iter().find(|product| product.name == name)
}
