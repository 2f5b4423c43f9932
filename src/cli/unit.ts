/**
 * The text of what starts the daemon at login: a systemd user unit, or a launchd agent. It names programs, the home and a PATH, and no
 * secret: runs that need a login from the environment wait for `muster resume`.
 */
import { dirname, join } from "node:path";
import { userConfigPath } from "../config/paths.ts";
import { Fault } from "../core/fault.ts";
import { isPlain, quote, shellWord } from "../core/words.ts";

export type UnitKind = "systemd" | "launchd";

export interface UnitRequest {
  readonly home: string;
  readonly path: string;
  /** Absolute programs and arguments that run the daemon in the foreground. */
  readonly argv: readonly string[];
}

export const unitName = "muster.service";
const agentLabel = "muster.host";
/** A file without it is not ours, whatever its name. */
const marker = "Written by `muster host install`; `muster host uninstall` removes it.";

/** What this system starts things at login with. Throws Fault `unsupported` where muster knows neither. */
export function unitKind(platform: string): UnitKind {
  if (platform === "linux") return "systemd";
  if (platform === "darwin") return "launchd";
  throw new Fault("unsupported", `there is no service for ${platform}`, { remedy: "muster ls" });
}

type Env = Readonly<Record<string, string | undefined>>;

/** Where the file belongs. Throws Fault `usage` without a HOME. */
export function unitPath(kind: UnitKind, env: Env): string {
  const config = dirname(dirname(userConfigPath(env)));
  return kind === "systemd"
    ? join(config, "systemd", "user", unitName)
    : join(env["HOME"] ?? "", "Library", "LaunchAgents", `${agentLabel}.plist`);
}

/** The command that makes it start now and at every login. */
export function enableText(kind: UnitKind, path: string): string {
  return kind === "systemd"
    ? `systemctl --user daemon-reload && systemctl --user enable --now ${unitName}`
    : `launchctl bootstrap gui/$(id -u) ${shellWord(path)}`;
}

/** The command that undoes `enableText`; a daemon that runs goes on. */
export function disableText(kind: UnitKind): string {
  return kind === "systemd"
    ? `systemctl --user disable ${unitName} && systemctl --user daemon-reload`
    : `launchctl bootout gui/$(id -u)/${agentLabel}`;
}

/** True for a file that muster wrote. */
export function isOwnUnit(text: string): boolean {
  return text.split("\n").some((line) => /^(?:# |<!-- )/.test(line) && line.includes(marker));
}

/** The file. Throws Fault `usage` for a value that can't be on one line. */
export function unitText(kind: UnitKind, request: UnitRequest): string {
  for (const value of [request.home, request.path, ...request.argv])
    if (!isPlain(value))
      throw new Fault("usage", `${quote(value)} can't be in a service file`, {
        remedy: 'export MUSTER_HOME="$HOME/muster-home"',
      });
  return kind === "systemd" ? systemdText(request) : launchdText(request);
}

/**
 * systemd itself is what starts the daemon again: as often as the respawning shell does, and not after an end that was asked for, that
 * another daemon is the reason of, or that a new start can't mend. Only the daemon is ended with the unit: sessions live in its group.
 */
function systemdText({ home, path, argv }: UnitRequest): string {
  return `# ${marker}
[Unit]
Description=muster: goes on with what was open
StartLimitIntervalSec=600
StartLimitBurst=5

[Service]
Type=exec
ExecStart=${argv.map((word) => quoted(word).replaceAll("$", "$$$$")).join(" ")}
Environment=${quoted(`MUSTER_HOME=${home}`)}
Environment=${quoted(`PATH=${path}`)}
Restart=on-failure
RestartSec=1
RestartPreventExitStatus=2 69 75
SuccessExitStatus=75
KillMode=process
OOMPolicy=continue
TimeoutStopSec=60

[Install]
WantedBy=default.target
`;
}

/** As systemd.syntax(7) has it; a percent sign begins a specifier. */
function quoted(text: string): string {
  return `"${text.replaceAll(/[\\"]/g, String.raw`\$&`).replaceAll("%", "%%")}"`;
}

/** launchd knows no number of tries: 120 s between two are at most five in ten minutes. */
function launchdText({ home, path, argv }: UnitRequest): string {
  const words = argv.map((word) => `    <string>${escaped(word)}</string>\n`).join("");
  return `<?xml version="1.0" encoding="UTF-8"?>
<!-- ${marker} -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${agentLabel}</string>
  <key>ProgramArguments</key>
  <array>
${words}  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>MUSTER_HOME</key>
    <string>${escaped(home)}</string>
    <key>PATH</key>
    <string>${escaped(path)}</string>
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>120</integer>
  <key>AbandonProcessGroup</key>
  <true/>
</dict>
</plist>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** The home that a file of ours is for; undefined where it names none. */
export function homeIn(kind: UnitKind, text: string): string | undefined {
  if (kind === "systemd") {
    const [, said] = /^Environment="MUSTER_HOME=((?:\\.|[^"\\])*)"$/m.exec(text) ?? [];
    return said?.replaceAll(/\\(.)/g, "$1").replaceAll("%%", "%");
  }
  const [, said] = /<key>MUSTER_HOME<\/key>\s*<string>([^<]*)<\/string>/.exec(text) ?? [];
  return said?.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
