import type { ObjectState } from "../../src/hosts/cloudflare/platform.ts";

/** What is charged for, as far as an object causes it. It is counted over all lives of the objects of this isolate. */
export const counts = { lives: 0, requests: 0, messages: 0, alarms: 0, alarmsSet: 0, read: 0, written: 0 };

export type Counts = typeof counts;

interface Cursor {
  readonly rowsRead: number;
  readonly rowsWritten: number;
  toArray(): unknown[];
}

/** Returns a state whose storage counts the rows that are read and written. */
export function counted(state: ObjectState): ObjectState {
  const { storage } = state;
  const sql = wrapped(storage.sql, {
    exec(...statement: [string]) {
      const cursor = storage.sql.exec(...statement) as unknown as Cursor;
      // Rows are counted when they are taken.
      const rows = cursor.toArray();
      counts.read += cursor.rowsRead;
      counts.written += cursor.rowsWritten;
      return { toArray: () => rows };
    },
  });
  const setAlarm = (time: number): Promise<void> => {
    counts.alarmsSet++;
    return storage.setAlarm(time);
  };
  return wrapped(state, { storage: wrapped(storage, { sql, setAlarm }) });
}

/** Returns an object with some members replaced. The methods of the platform need their own object. */
function wrapped<T extends object>(object: T, members: object): T {
  return new Proxy(object, {
    get(_, name) {
      if (Object.hasOwn(members, name)) return members[name as never];
      const value: unknown = object[name as keyof T];
      return typeof value === "function" ? value.bind(object) : value;
    },
  });
}
