/** Hears when a browser goes on- or offline, or its tab is looked at, until `signal` aborts. */
export function onAwake(wake: () => void, signal: AbortSignal): void {
  const page = globalThis as Partial<EventTarget> & { document?: EventTarget & { hidden: boolean } };
  const { document } = page;
  const hear = (): void => {
    if (!document?.hidden) wake();
  };
  for (const name of ["online", "offline"]) page.addEventListener?.(name, hear, { signal });
  document?.addEventListener("visibilitychange", hear, { signal });
}
