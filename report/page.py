"""report.html from report.json: one self-contained page."""

from html import escape
from typing import Any

from fermatnet.report import figures
from fermatnet.report.drawing import draw

__all__ = ["render"]

_CSS = """
:root{color-scheme:light}
body{margin:0;background:#f5f7fa;color:#1f2933;font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 24px 60px}
h1{font-size:28px;margin:0 0 4px} h2{font-size:17px;margin:0 0 12px} p{margin:4px 0 12px;color:#52606d}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:12px;margin:20px 0}
.card,section{background:#fff;border:1px solid #e4e7eb;border-radius:10px;padding:16px 18px}
.card b{display:block;font-size:24px;line-height:1.2;font-variant-numeric:tabular-nums}
.card span{color:#52606d;font-size:13px}
section{margin:14px 0;overflow-x:auto}
.two{display:grid;grid-template-columns:minmax(0,520px) minmax(0,1fr);gap:14px;align-items:start}
.two section{margin:0} .stack{display:grid;gap:14px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th{text-align:left;color:#7b8794;font-weight:600;border-bottom:1px solid #e4e7eb;padding:5px 10px 5px 0}
td{padding:5px 10px 5px 0;border-bottom:1px solid #f0f2f5}
td.n,th.n{text-align:right} td:last-child,th:last-child{padding-right:0}
.yes{color:#27784a;font-weight:600}.no{color:#b42318;font-weight:600}
svg{max-width:100%;height:auto}
.wide>svg{width:100%}
.mistakes{display:flex;gap:14px;flex-wrap:wrap}
figure{margin:0;text-align:center;font-size:13px;color:#52606d}
footer{color:#7b8794;font-size:13px;margin-top:18px}
.key{display:flex;gap:16px;flex-wrap:wrap;font-size:13px;color:#52606d;margin-bottom:10px}
.key i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px;vertical-align:-1px}
code{background:#eef1f5;border-radius:4px;padding:1px 5px;font-size:13px}
@media(max-width:900px){.two{grid-template-columns:minmax(0,1fr)}}
"""


def _cards(report: dict[str, Any]) -> str:
    accuracy, synth, exact = report["accuracy"], report["synth"], all(report["exact"].values())
    cards = [
        (f"{100 * accuracy['rtl']:.2f} %", f"accuracy of the hardware on {report['images']} held-out images"),
        (f"{100 * accuracy['float']:.2f} %", "accuracy of the full-precision twin"),
        ("equal" if exact else "DIFFERENT", "every logit: torch, numpy, onnxruntime, Verilog"),
        (f"{synth['images_per_second']:,.0f}", f"images per second at {synth['fmax_mhz']:.1f} MHz"),
        (f"{synth['cycles_per_image']:,}", "cycles per image"),
        (f"{synth['luts']:,}", f"LUTs on {synth['device']}; {synth['brams']} BRAM, {synth['dsps']} DSP"),
    ]
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card"><b>{value}</b><span>{escape(text)}</span></div>' for value, text in cards
        )
        + "</div>"
    )


def _engines(report: dict[str, Any]) -> str:
    accuracy, exact = report["accuracy"], report["exact"]
    rows = [
        ("full-precision twin (torch, float32)", accuracy["float"], None),
        ("numpy reference: diminished-1 transforms, AND and popcount", accuracy["reference"], None),
        ("torch, integer mode", accuracy["torch"], exact["torch"]),
        ("onnxruntime on the network file", accuracy["onnxruntime"], exact["onnxruntime"]),
        ("generated Verilog, simulated", accuracy["rtl"], exact["rtl"]),
        ("generated Verilog, random stalls on both sides", accuracy["rtl"], exact["rtl_stalled"]),
    ]
    marks = {None: "", True: '<span class="yes">equal</span>', False: '<span class="no">different</span>'}
    body = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{100 * value:.2f} %</td><td>{marks[same]}</td></tr>'
        for name, value, same in rows
    )
    return (
        '<table><tr><th>engine</th><th class="n">accuracy</th><th>logits against the '
        f"reference</th></tr>{body}</table>"
    )


def _facts(pairs: dict[str, Any]) -> str:
    return (
        "<table>"
        + "".join(
            f'<tr><td>{escape(str(key))}</td><td class="n">{escape(str(value))}</td></tr>'
            for key, value in pairs.items()
        )
        + "</table>"
    )


def _digit(pixels: list[list[int]], top: int) -> str:
    cells = "".join(
        f'<rect x="{x}" y="{y}" width="1.02" height="1.02" fill="rgb({s},{s},{s})"/>'
        for y, row in enumerate(pixels)
        for x, value in enumerate(row)
        for s in [255 - 255 * value // top]
    )
    return (
        f'<svg viewBox="0 0 {len(pixels[0])} {len(pixels)}" width="72" height="72" style="border:1px solid '
        f'#e4e7eb">{cells}</svg>'
    )


def _mistakes(report: dict[str, Any]) -> str:
    if not report["mistakes"]:
        return "<p>None.</p>"
    shown = "".join(
        f"<figure>{_digit(item['pixels'], 16)}<br>{item['label']} read as {item['computed']}</figure>"
        for item in report["mistakes"][:12]
    )
    return f'<div class="mistakes">{shown}</div>'


def render(report: dict[str, Any]) -> str:
    """The page as text; everything on it comes from ``report``."""
    synth = report["synth"]
    colours = (
        ("#d9822b", "Fermat transform"),
        ("#2f6fb2", "AND-popcount"),
        ("#7d5ba6", "integer"),
        ("#9aa5b1", "stream"),
    )
    key = (
        '<div class="key">'
        + "".join(f'<span><i style="background:{colour}"></i>{name}</span>' for colour, name in colours)
        + "</div>"
    )
    path = {
        name: value
        for name, value in (synth.get("critical_path") or {}).items()
        if not isinstance(value, list | dict)
    }
    seconds = {name: f"{value:.1f} s" for name, value in report["seconds"].items()}
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>fermatnet: {escape(report["network"]["name"])}</title><style>{_CSS}</style></head><body><main>
<h1>{escape(report["network"]["name"])}: from PyTorch to Verilog, bit for bit</h1>
<p>Trained on scikit-learn's digits (8x8, ten classes), exported to integers, generated as a streaming
accelerator, simulated on every held-out image and placed on {escape(synth["device"])}.
Made by <code>{escape(report["command"])}</code>.</p>
{_cards(report)}
<div class="two"><section><h2>The network</h2>{key}
{draw(report["network"], report["network"]["name"])}</section>
<div class="stack"><section><h2>Four engines, one answer</h2>{_engines(report)}</section>
<section><h2>Confusion matrix</h2>{figures.confusion(report["confusion"])}</section>
<section><h2>What it got wrong</h2>{_mistakes(report)}</section>
<section><h2>Critical path</h2>
{_facts(path) if path else "<p>Not reported for this device.</p>"}</section></div></div>
<section class="wide"><h2>Resources by layer</h2>
<p>yosys and nextpnr for {escape(synth["device"])}; the numbers beside the titles are totals.</p>
{figures.resources(synth["layers"])}</section>
<section class="wide"><h2>Weights and activations beside their approximations</h2>
<p>As figures 3.4 and 3.5 of the thesis: the distribution that training left, and the few levels
the hardware computes with.</p>
{figures.histograms(report["histograms"])}</section>
<section class="wide"><h2>Training</h2>{figures.curves(report["curves"])}</section>
<div class="two"><section><h2>Time</h2>{_facts(seconds)}</section>
<section><h2>Versions</h2>{_facts(report["versions"])}</section></div>
<footer>The same figures, machine-readable, are in report.json beside this page.</footer>
</main></body></html>
"""
