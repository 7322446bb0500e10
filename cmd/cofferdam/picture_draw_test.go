package main

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// reads waits until the bot's last message has texts.
func (p tab) reads(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.sees(text)
	}
}

// dark tells the page which colours the reader prefers.
func (p tab) dark(prefers bool) {
	p.t.Helper()
	scheme := "light"
	if prefers {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, media); err != nil {
		p.t.Fatal(err)
	}
}

// sendsTheCode of the authenticator that the page has.
func (p tab) sendsTheCode() {
	p.t.Helper()
	p.until(`!document.querySelector("#authenticator").hidden`)
	p.do(chromedp.Click(chromedp.CSS("#authenticator")), chromedp.SendKeys(chromedp.CSS("#composer"), "\r"))
}

// alone leaves the last view on the screen, and what was sent for it if that
// stands right above. For a view that is higher than the screen the keyboard is
// folded, and it is shown from its top.
const alone = `(() => {
	const all = [...document.querySelectorAll(".message")], view = ` + lastOfBot + `, at = all.indexOf(view);
	all.forEach((node, i) => { node.hidden = i > at || i < at - 1 || (i < at && !node.classList.contains("own")); });
	const log = document.querySelector("#log"), tall = view.offsetHeight > log.clientHeight;
	if (tall && !document.querySelector("#keyboard").hidden) document.querySelector("#toggle").click();
	view.scrollIntoView({ block: view.offsetHeight > log.clientHeight ? "start" : "end", behavior: "instant" });
})()`

// unfold shows the keyboard again.
const unfold = `{ const toggle = document.querySelector("#toggle"); if (!toggle.hidden && document.querySelector("#keyboard").hidden) toggle.click(); }`

// shoots takes a screenshot of the last view when the page has come to rest. It
// has to fit the screen's width.
func (p tab) shoots() image.Image {
	p.t.Helper()
	p.do(chromedp.Evaluate[chromedp.Void](alone))
	p.until(`document.getAnimations().length === 0 && document.querySelectorAll(".key.waiting").length === 0 &&
		[...document.images].every((image) => image.complete)`)
	if over := ask[[]string](p, tooWide); len(over) > 0 {
		p.t.Errorf("wider than the screen: %q", over)
	}
	data, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	p.do(chromedp.Evaluate[chromedp.Void](unfold))
	shot, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		p.t.Fatal(err)
	}
	return shot
}

// sideBySide puts pictures onto one background.
func sideBySide(t testing.TB, shots ...image.Image) *image.RGBA {
	t.Helper()
	const gap = 40
	size := shots[0].Bounds().Size()
	all := image.NewRGBA(image.Rect(0, 0, gap+(size.X+gap)*len(shots), size.Y+2*gap))
	draw.Draw(all, all.Bounds(), image.NewUniform(color.RGBA{R: 0x2f, G: 0x4a, B: 0x5c, A: 0xff}), image.Point{}, draw.Src)
	for i, shot := range shots {
		at := image.Pt(gap+i*(size.X+gap), gap)
		draw.Draw(all, image.Rectangle{Min: at, Max: at.Add(size)}, shot, shot.Bounds().Min, draw.Src)
	}
	return all
}

// colours counts them in every seventh line.
func colours(p *image.RGBA) int {
	seen := map[color.RGBA]bool{}
	for y := 0; y < p.Bounds().Dy(); y += 7 {
		for x := range p.Bounds().Dx() {
			seen[p.RGBAAt(x, y)] = true
		}
	}
	return len(seen)
}

// paper is how light the most frequent colour in the middle of a picture is, 0 to
// 255: there a chart's is.
func paper(t testing.TB, p image.Image) int {
	t.Helper()
	seen, b := map[uint8]int{}, p.Bounds()
	for y := b.Dy() / 4; y < b.Dy()/2; y++ {
		for x := b.Dx() / 4; x < b.Dx()/2; x++ {
			seen[color.GrayModel.Convert(p.At(x, y)).(color.Gray).Y]++
		}
	}
	most := uint8(0)
	for grey, n := range seen {
		if n > seen[most] {
			most = grey
		}
	}
	return int(most)
}

// largestPicture is how many bytes a picture of the documents may have.
const largestPicture = 250_000

// inFewColours encodes a picture with the 256 colours that it has most of, which
// is all that a screen of flat surfaces needs.
func inFewColours(t testing.TB, p *image.RGBA) []byte {
	t.Helper()
	count := map[color.RGBA]int{}
	for y := range p.Bounds().Dy() {
		for x := range p.Bounds().Dx() {
			count[coarse(p.RGBAAt(x, y))]++
		}
	}
	found := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var few color.Palette
	for _, c := range found[:min(len(found), 256)] {
		few = append(few, c)
	}
	out, index := image.NewPaletted(p.Bounds(), few), map[color.RGBA]uint8{}
	for y := range p.Bounds().Dy() {
		for x := range p.Bounds().Dx() {
			c := coarse(p.RGBAAt(x, y))
			i, known := index[c]
			if !known {
				i = uint8(few.Index(c))
				index[c] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	var file bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&file, out); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// coarse joins colours that nobody can tell apart.
func coarse(c color.RGBA) color.RGBA {
	return color.RGBA{R: c.R&^3 | c.R>>6, G: c.G&^3 | c.G>>6, B: c.B&^3 | c.B>>6, A: 0xff}
}
