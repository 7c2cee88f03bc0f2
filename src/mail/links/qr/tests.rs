//! What looking costs, and what comes of it where less may be spent.

use image::{DynamicImage, GrayImage, Luma};
use qrcode::{Color, QrCode};

use super::grey::Grey;
use super::{Codes, Effort, codes};
use crate::mail::links::Stop;

const TEXT: &str = "https://evil.example/x";

/// A code on white paper, turned by so many degrees.
#[expect(clippy::cast_possible_truncation, reason = "whole modules are meant")]
fn turned(degrees: u8) -> GrayImage {
    let code = QrCode::new(TEXT).unwrap();
    let side = code.width() as f32 * 4.0;
    let (sin, cos) = f32::from(degrees).to_radians().sin_cos();
    GrayImage::from_fn(240, 240, |x, y| {
        let (x, y) = (x as f32 - 120.0, y as f32 - 120.0);
        let (x, y) = (x * cos - y * sin + side / 2.0, x * sin + y * cos + side / 2.0);
        let is_inside = (0.0..side).contains(&x) && (0.0..side).contains(&y);
        let is_dark = is_inside && code[((x / 4.0) as usize, (y / 4.0) as usize)] == Color::Dark;
        Luma([if is_dark { 0 } else { 255 }])
    })
}

fn looked(picture: &GrayImage, effort: &mut Effort) -> Codes {
    codes(&Grey::on_white(DynamicImage::from(picture.clone())), effort)
}

#[test]
fn with_less_than_it_costs_a_code_is_read_or_given_up_and_never_passed_over() {
    let stop = Stop::default();
    for degrees in (0..90).step_by(5) {
        let picture = turned(degrees);
        let mut effort = Effort::new(0, &stop);
        effort.begin(0);
        let all = effort.share();
        let found = looked(&picture, &mut effort);
        if found.texts.is_empty() {
            continue;
        }
        let cost = all - effort.share();
        for step in 0..16 {
            let mut effort = Effort::new(0, &stop);
            effort.begin(0);
            effort.spent(all - cost * step / 16);
            let found = looked(&picture, &mut effort);
            assert!(found.is_given_up || found.texts == [TEXT], "{degrees} {step}");
        }
    }
}
