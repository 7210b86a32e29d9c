//! Pages in a real browser.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Returns the browser: `FM_TEST_BROWSER`, or an installed Chromium.
pub fn browser() -> Option<PathBuf> {
    if let Some(named) = env::var_os("FM_TEST_BROWSER") {
        return Some(named.into());
    }
    let path = env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    env::split_paths(&path)
        .flat_map(|directory| names.map(|name| directory.join(name)))
        .find(|program| program.is_file())
}

/// Renders a page at this width and returns how far its boxes reach, its colours and scripts, and what `more`
/// asks for.
pub fn look(browser: &Path, page: &str, width: u32, dark: bool, boxes: &str, more: &str) -> Value {
    // The page allows no script, so the test uses a copy without that rule and with a query at its end.
    let question = format!(
        "<script>const e=document.documentElement,b=getComputedStyle(document.body),\
         w=[...document.querySelectorAll('{boxes}')].map(x=>x.getBoundingClientRect());\
         document.body.dataset.answer=JSON.stringify({{inner:innerWidth,scroll:e.scrollWidth,\
         right:Math.ceil(Math.max(...w.map(r=>r.right))),thin:Math.floor(Math.min(...w.map(r=>r.width))),\
         background:b.backgroundColor,color:b.color,font:parseFloat(b.fontSize),\
         scripts:document.scripts.length,{more}}})</script></body>"
    );
    let home = tempfile::tempdir().expect("a directory");
    let asked = page.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'");
    let copy = home.path().join("asked.html");
    fs::write(&copy, asked.replace("</body>", &question)).expect("a file");
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", home.path().join("profile").display()));
    command.arg(format!("--window-size={width},900"));
    if dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    }
    let output = command.arg(format!("file://{}", copy.display())).output().expect("a browser");
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer = dom.split_once("data-answer=\"").and_then(|(_, rest)| rest.split_once('"'));
    let (answer, _) = answer.unwrap_or_else(|| panic!("no answer: {dom:.2000}"));
    serde_json::from_str(&answer.replace("&quot;", "\"")).expect("JSON")
}
