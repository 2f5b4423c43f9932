/** The part of the service that is about files: what is on disk, what goes, what comes back, what is broken. */
import type { Service } from "../../api/service.ts";
import type { KeepingParts } from "./parts.ts";
import { cleanPlan, performClean } from "./clean.ts";
import { recentDiskUse } from "./disk.ts";
import { type Found, requireTask } from "../projection.ts";
import { performRepair, repairPlan } from "../repair/repair.ts";
import { restore, snapshotsOf } from "./restore.ts";
import { uninstall, uninstallPlan } from "./uninstall.ts";

interface Parts {
  readonly socket: string;
  stop(options: { readonly sessions: boolean }): void;
}

type Housekeeping =
  | "clean"
  | "performClean"
  | "repair"
  | "performRepair"
  | "snapshots"
  | "restore"
  | "disk"
  | "uninstallPlan"
  | "uninstall";

/** `find` as for the rest of the service. */
export function housekeeping(
  { socket, stop }: Parts,
  house: KeepingParts,
  find: (id: string) => Promise<Found>,
): Pick<Service, Housekeeping> {
  const { host } = house;
  return {
    clean: (query) => cleanPlan(house, query),
    performClean: (request) => performClean(house, request),
    repair: (query) => repairPlan(house, query),
    performRepair: (request) => performRepair(house, request),
    async snapshots(id, key) {
      const found = await find(id);
      return snapshotsOf(host, found, requireTask(found.run, key));
    },
    async restore(request) {
      const found = await find(request.run);
      return restore(host, found, requireTask(found.run, request.task), request);
    },
    disk: () => recentDiskUse(host.home),
    uninstallPlan: () => uninstallPlan(house, socket),
    async uninstall() {
      const plan = await uninstall(house, socket);
      stop({ sessions: true });
      return plan;
    },
  };
}
