/** Hears when a browser goes on- or offline, or its tab is looked at. Returns what stops listening. */
export function onAwake(wake: () => void): () => void {
  const page = globalThis as Partial<EventTarget> & { document?: EventTarget & { visibilityState: string } };
  const { document } = page;
  const hear = (): void => {
    if (document?.visibilityState !== "hidden") wake();
  };
  const each = (verb: "addEventListener" | "removeEventListener"): void => {
    page[verb]?.("online", hear);
    page[verb]?.("offline", hear);
    document?.[verb]("visibilitychange", hear);
  };
  each("addEventListener");
  return () => each("removeEventListener");
}
