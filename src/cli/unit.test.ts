/** The files that start the daemon at login, as text. */
import { describe, expect, test } from "vitest";
import {
  disableText,
  enableText,
  homeIn,
  isOwnUnit,
  unitKind,
  unitPath,
  unitText,
} from "./unit.ts";

const kinds = ["systemd", "launchd"] as const;
const argv = ["/opt/node 24/bin/node", "/opt/muster/bin/muster.js", "host", "run"];
const request = { home: "/home/pat/m", path: "/opt/bin:/usr/bin", argv };

describe.each(kinds)("for %s", (kind) => {
  test("the file is known as muster's and names its home, whatever is in the name", () => {
    for (const home of ["/home/pat/m", '/h/a "b" %h $HOME \\n', "/h/<&>/&amp;", "/h/ü -- x"]) {
      const text = unitText(kind, { ...request, home });
      expect(isOwnUnit(text)).toBe(true);
      expect(homeIn(kind, text)).toBe(home);
    }
  });

  test("a name that would begin a line of its own is refused", () => {
    for (const bad of ["/h\nExecStart=/bin/evil", "/h\r", "/h\u2028"]) {
      expect(() => unitText(kind, { ...request, home: bad })).toThrow(/can't be in a service file/);
      expect(() => unitText(kind, { ...request, path: bad })).toThrow(/can't be in a service file/);
    }
  });

  test("it has no variable but the home and a PATH", () => {
    const text = unitText(kind, request);
    const named = [...text.matchAll(/^Environment="(\w+)=|<key>([A-Z_]{4,})<\/key>/gm)];
    expect(named.map(([, a, b]) => a ?? b)).toEqual(["MUSTER_HOME", "PATH"]);
  });
});

test("systemd is told to end the daemon only, and how often to start it again", () => {
  const text = unitText("systemd", { ...request, argv: [...argv, "$x%"] });
  expect(text).toContain(
    'ExecStart="/opt/node 24/bin/node" "/opt/muster/bin/muster.js" "host" "run" "$$x%%"\n',
  );
  for (const line of [
    "KillMode=process",
    "Restart=on-failure",
    "StartLimitBurst=5",
    "WantedBy=default.target",
  ])
    expect(text.split("\n")).toContain(line);
});

test("launchd is told to leave the sessions, and to start it again after a failure only", () => {
  const text = unitText("launchd", request);
  expect(text).toMatch(/<key>AbandonProcessGroup<\/key>\s*<true\/>/);
  expect(text).toMatch(/<key>SuccessfulExit<\/key>\s*<false\/>/);
});

test("a file of somebody else is not muster's, though it speaks of it", () => {
  expect(isOwnUnit("[Service]\nExecStart=muster host run\n")).toBe(false);
  expect(isOwnUnit("")).toBe(false);
});

test("each system has its place, its commands, or none", () => {
  expect(unitKind("linux")).toBe("systemd");
  expect(unitKind("darwin")).toBe("launchd");
  expect(() => unitKind("freebsd")).toThrow(/no service for freebsd/);
  expect(unitPath("systemd", { HOME: "/h" })).toBe("/h/.config/systemd/user/muster.service");
  expect(unitPath("systemd", { HOME: "/h", XDG_CONFIG_HOME: "/c" })).toBe(
    "/c/systemd/user/muster.service",
  );
  expect(unitPath("launchd", { HOME: "/h", XDG_CONFIG_HOME: "/c" })).toBe(
    "/h/Library/LaunchAgents/muster.host.plist",
  );
  expect(enableText("systemd", "/x")).toBe(
    "systemctl --user daemon-reload && systemctl --user enable --now muster.service",
  );
  expect(enableText("launchd", "/a b")).toContain("'/a b'");
  expect(disableText("launchd")).toContain("bootout");
});
