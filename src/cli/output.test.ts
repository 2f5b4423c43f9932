/** The voice: what an agent wrote is harmless and visible, columns align, times read well. */
import { describe, expect, test } from "vitest";
import { clean, duration, jsonText, oneLine, table, usd } from "./output.ts";

/** security.md §8: what a terminal obeys, and what hides or turns text. */
const hostile: readonly (readonly [string, string, string])[] = [
  ["CSI that colors", "a\u001b[31mb", "ab"],
  ["CSI that erases the screen", "a\u001b[2J\u001b[1;1Hb", "ab"],
  ["OSC 0 that sets the title", "a\u001b]0;title\u0007b", "a0;titleb"],
  [
    "OSC 8 that hides an address behind words",
    "\u001b]8;;http://x\u001b\\here\u001b]8;;\u001b\\",
    "8;;http://xhere8;;",
  ],
  ["OSC 52 that writes the clipboard", "\u001b]52;c;ZXZpbA==\u0007", "52;c;ZXZpbA=="],
  ["C1 CSI", "a\u009b31mb", "a31mb"],
  ["DSR that makes the terminal type", "a\u001b[6nb", "ab"],
  ["DCS", "a\u001bP1$r0m\u001b\\b", "a1$r0mb"],
  ["APC", "a\u001b_payload\u001b\\b", "apayloadb"],
  ["carriage return that overwrites", "rm -rf /\rls     ", "rm -rf /ls     "],
  ["backspace that overwrites", "rm\b\bls", "rmls"],
  ["right-to-left override", "a\u202etxt.sh", "a\\u{202e}txt.sh"],
  ["zero-width space and tag characters", "a\u200bb\u{e0041}", "a\\u{200b}b\\u{e0041}"],
];

describe("clean", () => {
  test.each(hostile)("makes %s harmless", (_what, text, shown) => {
    expect(clean(text)).toBe(shown);
  });

  test("never hides what would be run behind a sequence that does not end", () => {
    expect(clean("ls \u001b]0;; rm -rf ~")).toBe("ls 0;; rm -rf ~");
  });

  test("leaves no control character but tab and newline, whatever comes", () => {
    const all = String.fromCodePoint(...Array.from({ length: 0x3000 }, (_, code) => code));
    const left = clean(all).match(/\p{Cc}|\p{Bidi_Control}/gu);
    expect(left).toEqual(["\t", "\n"]);
  });

  test("leaves text of other languages as it is", () => {
    for (const text of ["naïve café", "日本語", "שלום", "a\tb\nc"]) expect(clean(text)).toBe(text);
  });

  test("is done after one pass: what it leaves does not make a new sequence", () => {
    for (const text of ["\u001b\u001b[31m[31mx", "\u001b\u009b\u001b[2J", "\u001b[\u001b[mJ"])
      expect(clean(clean(text))).toBe(clean(text));
  });
});

describe("jsonText", () => {
  test.each(hostile)("carries %s to a script and not to a terminal", (_what, text) => {
    for (const indent of [0, 2]) {
      const printed = jsonText({ text }, indent);
      expect(JSON.parse(printed)).toEqual({ text });
      expect(clean(printed)).toBe(printed);
    }
  });

  test("leaves text of other languages as it is", () => {
    expect(jsonText({ text: "naïve 日本語 😀" }, 0)).toBe('{"text":"naïve 日本語 😀"}');
  });
});

describe("oneLine", () => {
  test("puts a hostile name on one line and says that it was cut", () => {
    expect(oneLine("a\nb\u001b[2J\r\n↳ run this", 100)).toBe("a b ↳ run this");
    expect(oneLine("abcdef", 4)).toBe("abc…");
    expect(oneLine("abcd", 4)).toBe("abcd");
  });
});

describe("table", () => {
  test("aligns by the widest cell and pads nothing at the end", () => {
    expect(
      table([
        ["a", "long cell", "x"],
        ["bb", "c", ""],
      ]),
    ).toBe("a   long cell  x\nbb  c");
  });

  test("paints cells after they are padded", () => {
    expect(
      table(
        [
          ["a", "b"],
          ["cc", "d"],
        ],
        (_row, column, cell) => (column === 0 ? `<${cell}>` : cell),
      ),
    ).toBe("<a >  b\n<cc>  d");
  });
});

test.each([
  [0, "0s"],
  [59_499, "59s"],
  [59_500, "1m 0s"],
  [192_000, "3m 12s"],
  [3_599_999, "1h 0m"],
  [3_840_000, "1h 4m"],
])("duration: %i ms is %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test("usd shows cents", () => {
  expect(usd(0.1234)).toBe("$0.12");
});
