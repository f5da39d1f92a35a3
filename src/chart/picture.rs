//! A chart as a picture (PNG), for messages that cannot show SVG.
//!
//! Nothing is read from outside: the only font is the one that is built in, and what refers to
//! something is not drawn. The memory that a picture takes is bounded.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{ImageHrefResolver, Options, Tree, fontdb};

use super::palette::{Theme, paper, stylesheet};

/// Inter, for Latin, Greek and Cyrillic; `font/LICENSE.txt` says what may be done with it.
static FONT: &[u8] = include_bytes!("font/Inter-Regular.ttf");

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    fonts.set_sans_serif_family("Inter");
    Arc::new(fonts)
});

/// The most points of a picture: 32 MiB while it is made.
const MOST: f64 = 8_388_608.0;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The drawing is none of this module.
    #[error("read the drawing")]
    Drawing(#[from] resvg::usvg::Error),
    /// The drawing has no size, or more than a picture may have.
    #[error("make a picture of {width} by {height}: at most {MOST} points are drawn")]
    Size {
        /// The width it would have had.
        width: f32,
        /// The height it would have had.
        height: f32,
    },
    /// The picture could not be written.
    #[error("write the picture: {0}")]
    Written(String),
}

/// `svg`, a drawing of this module, as a PNG that is `width` points wide, on the paper of `theme`.
/// Takes some tens of milliseconds: not for a thread on which others wait.
pub fn png(svg: &str, theme: Theme, width: u16) -> Result<Vec<u8>, Error> {
    let options = Options {
        font_family: "Inter".to_owned(),
        style_sheet: Some(stylesheet(theme)),
        fontdb: Arc::clone(&FONTS),
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options)?;
    let scale = f32::from(width) / tree.size().width();
    let (wide, high) = (f32::from(width), (tree.size().height() * scale).ceil());
    let fits = f64::from(wide) * f64::from(high) <= MOST;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above")]
    let size = fits.then_some((wide as u32, high as u32));
    let pixmap = size.and_then(|(wide, high)| Pixmap::new(wide, high));
    let mut pixmap = pixmap.ok_or(Error::Size { width: wide, height: high })?;
    let [red, green, blue] = paper(theme);
    pixmap.fill(Color::from_rgba8(red, green, blue, u8::MAX));
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|error| Error::Written(error.to_string()))
}
