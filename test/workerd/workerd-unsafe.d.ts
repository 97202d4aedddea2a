declare module "workerd:unsafe" {
  const unsafe: {
    /** Waits until nothing keeps an object awake, and drops it from memory. Its sockets stay. */
    evict(stub: unknown): Promise<void>;
    /** Ends all objects at once, with their sockets. */
    abortAllDurableObjects(): Promise<void>;
  };
  export default unsafe;
}
