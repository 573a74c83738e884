//! Prints what a source sees of a disk, four times a second: `watch loop0 [bpf|tracefs|diskstats] [continuous]`.

use block_types::DevNo;
use fingerprint::{Rule, Thresholds};
use sampler::{Duty, Request, SourceChoice, Watched};
use std::sync::Arc;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("usage: watch DISK [SOURCE] [continuous]")?;
    let dev: DevNo = std::fs::read_to_string(format!("/sys/block/{name}/dev"))?.parse()?;
    let mut request = Request::new([Watched::new(&name, dev)]);
    request.choice = arguments.next().as_deref().unwrap_or("auto").parse::<SourceChoice>()?;
    if arguments.next().as_deref() == Some("continuous") {
        request.duty = Duty::Continuous;
    }
    let kernel: Arc<dyn kernfs::Kernel> = Arc::new(kernfs::RealKernel::live());
    let opened = sampler::open(&kernel, &request)?;
    println!("{}: {}", opened.kind, opened.why);
    let mut last = opened.source.read(dev)?;
    loop {
        std::thread::sleep(Duration::from_millis(250));
        let now = opened.source.read(dev)?;
        let seconds = now.at.saturating_sub(last.at).as_secs_f64();
        let observed = now.observed.saturating_sub(last.observed).as_secs_f64();
        let iops = (now.completed.requests() - last.completed.requests()) as f64 / seconds;
        let window = now.bios.as_ref().zip(last.bios.as_ref()).and_then(|(now, last)| now.since(last));
        let class = window.as_ref().and_then(|window| window.classify(Rule::Ours, &Thresholds::default()));
        let latency = now.latency.as_ref().zip(last.latency.as_ref()).and_then(|(now, last)| now.since(last));
        println!(
            "{iops:.0} IOPS, observed {:.0} %, bios {:?}, near {:?}, {:?}, read {:?} p99 {:?}, in flight {:?}, first {:?}, \
             errors {:?}",
            100.0 * observed / seconds,
            window.as_ref().map(fingerprint::Snapshot::data_bios),
            window.as_ref().and_then(fingerprint::Snapshot::near_share),
            class.map(fingerprint::Class::name),
            latency.as_ref().and_then(|latency| latency.read.mean()),
            latency.as_ref().and_then(|latency| latency.read.quantile(0.99)),
            now.in_flight,
            now.first_bio_at.map(|first| now.at.saturating_sub(first)),
            now.errors,
        );
        if let Some(exact) = opened.source.exact(dev)? {
            println!("    {exact:?}");
        }
        last = now;
    }
}
