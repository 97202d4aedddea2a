/** A place in a list from oldest to newest, which anything can leave at once. The list is a place too, between its ends. */
export class Linked {
  older: Linked = this;
  newer: Linked = this;

  /** Whether nothing else is in it. */
  get isEmpty(): boolean {
    return this.newer === this;
  }

  moveTo(list: Linked): void {
    this.leave();
    this.older = list.older;
    this.newer = list;
    this.older.newer = this;
    list.older = this;
  }

  leave(): void {
    if (this.isEmpty) return;
    this.older.newer = this.newer;
    this.newer.older = this.older;
    this.older = this.newer = this;
  }
}
