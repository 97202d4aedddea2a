/** Hears when a browser goes on- or offline, or its tab is looked at, until `signal` aborts. */
export function onAwake(wake: () => void, signal: AbortSignal): void {
  const page = globalThis as Partial<EventTarget> & { document?: EventTarget & { visibilityState: string } };
  const { document } = page;
  const hear = (): void => {
    if (document?.visibilityState !== "hidden") wake();
  };
  page.addEventListener?.("online", hear, { signal });
  page.addEventListener?.("offline", hear, { signal });
  document?.addEventListener("visibilitychange", hear, { signal });
}
