//! On an application's device: with WebGPU's least, and without touching its handlers.

use crate::common::{block, train};
use crate::determinism::everything;
use rangefinder::bench::{self, Settings};
use rangefinder::{Error, Gpu, Loss, Options, Profile, RangeTest, Sequential, Session, Sgd, digits};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The application: a device, and what its handlers heard.
struct App {
    device: wgpu::Device,
    queue: wgpu::Queue,
    errors: Arc<Mutex<Vec<String>>>,
    losses: Arc<AtomicUsize>,
}

impl App {
    /// A device with default limits and no feature, on the adapter of the other tests.
    fn new() -> Self {
        let name = &crate::common::gpu().adapter().name;
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapters = block(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
        let adapter = adapters.into_iter().find(|a| a.get_info().name == *name).unwrap();
        let descriptor = wgpu::DeviceDescriptor {
            required_features: wgpu::Features::empty(),
            required_limits: wgpu::Limits::default(),
            ..Default::default()
        };
        let (device, queue) = block(adapter.request_device(&descriptor)).unwrap();
        let (errors, losses) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (heard, lost) = (errors.clone(), losses.clone());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            heard.lock().unwrap().push(error.to_string());
        }));
        device.set_device_lost_callback(move |_, _| {
            lost.fetch_add(1, Ordering::Relaxed);
        });
        Self { device, queue, errors, losses }
    }

    fn adopt(&self) -> Gpu {
        Gpu::adopt(self.device.clone(), self.queue.clone())
    }

    /// A mistake of the application's own.
    fn blunder(&self) {
        let _never_used = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("the application's own mistake"),
            size: 1 << 50,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
    }

    fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap().clone()
    }
}

fn session_on(gpu: &Gpu) -> Session {
    let options = Options::batch(32).profile(Profile::Portable); // what any device can run
    block(Session::compile(gpu, &everything(), Loss::CrossEntropy, Sgd::momentum(0.9), options)).unwrap()
}

#[test]
fn it_trains_and_finds_with_the_least_a_device_has() {
    let app = App::new();
    assert_eq!(app.device.features(), wgpu::Features::empty());
    let mut session = session_on(&app.adopt());
    let before = train(&mut session, &digits(), &[0.01; 5]).histories[0].steps[0].loss;
    train(&mut session, &digits(), &[0.01; 50]);
    assert!(block(session.evaluate(&digits())).unwrap()[0].loss < before);
    let report = block(RangeTest::default().run(&mut session, &digits())).unwrap();
    assert!(report.restored() && report.points.len() > 10);
    assert_eq!(app.errors(), Vec::<String>::new());
}

/// The bits are those of a device of our own: features and limits choose no other kernel.
#[test]
fn it_gives_the_bits_of_our_own_device() {
    let app = App::new();
    let [ours, theirs] = [crate::common::gpu(), &app.adopt()].map(|gpu| {
        let mut session = session_on(gpu);
        (train(&mut session, &digits(), &[0.01; 5]).histories, block(session.fingerprint()).unwrap())
    });
    assert_eq!(ours, theirs);
}

#[test]
#[cfg_attr(target_arch = "wasm32", ignore = "a browser tells of errors and losses later")]
fn the_handlers_stay_the_applications() {
    let app = App::new();
    let gpu = app.adopt();
    let mut session = session_on(&gpu);
    train(&mut session, &digits(), &[0.01; 5]);
    assert_eq!(app.errors().len(), 0);
    app.blunder();
    assert_eq!(app.errors().len(), 1, "{:?}", app.errors());
    assert!(app.errors()[0].contains("the application's own mistake"), "{:?}", app.errors());

    // The application's mistake is none of ours.
    train(&mut session, &digits(), &[0.01; 5]);
    assert_eq!(app.losses.load(Ordering::Relaxed), 0);
    app.device.destroy();
    app.device.poll(wgpu::PollType::Poll).ok();
    assert_eq!(app.losses.load(Ordering::Relaxed), 1, "the application hears of its loss");
}

/// A device has a least limit of 128 MiB for a binding: more is refused before the device is asked.
#[test]
fn our_errors_are_values_and_reach_no_handler() {
    let app = App::new();
    let gpu = app.adopt();
    let large = Sequential::features(6000).linear(6000).linear(2).build().unwrap();
    let session = Session::compile(&gpu, &large, Loss::CrossEntropy, Sgd::plain(), Options::batch(1));
    let error = block(session).err().expect("144 MB of parameters do not fit 128 MiB");
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("128") || message.contains("134217728"), "{message}");
    assert!(!message.contains('\n'), "{message}");
    assert_eq!(app.errors(), Vec::<String>::new());

    // And the device still works.
    train(&mut session_on(&gpu), &digits(), &[0.01; 2]);
}

/// What does not fit a device is a row of its benchmark, and what does fit is measured all the same.
#[test]
fn a_bench_goes_on_without_what_does_not_fit() {
    let gpu = App::new().adopt();
    let bench = |filter: &str| {
        let settings = Settings { quick: true, filter: Some(filter.into()), ..Settings::default() };
        block(bench::run(&gpu, &settings, &mut |_| ())).unwrap()
    };
    let results = bench("resnet9");
    assert!(results.steps.is_empty() && results.range_tests.is_empty());
    let left_out: Vec<&str> = results.left_out.iter().map(|out| out.workload.as_str()).collect();
    assert_eq!(left_out, ["resnet9 step", "resnet9 range test"]);
    let text = results.to_string();
    let row = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!((row("resnet9 "), text.matches(" does not fit: buffer acts").count()), (2, 2), "{text}");
    assert!(text.contains("the device allows 134217728\n"), "{text}");
    assert_eq!(bench("mlp step").steps.len(), 1);
}

/// A device that is gone is an error, not a panic.
#[test]
fn a_destroyed_device_is_an_error() {
    let app = App::new();
    let mut session = session_on(&app.adopt());
    train(&mut session, &digits(), &[0.01; 2]);
    app.device.destroy();
    let error = block(RangeTest::default().run(&mut session, &digits())).unwrap_err();
    assert!(matches!(error, Error::Device { .. }), "{error}");
}
