/**
 * A node of a circular doubly linked list, ordered from oldest to newest. A node is removed in constant time. The list
 * itself is the sentinel node: its `newer` is the oldest node, and its `older` is the newest.
 */
export class LinkedNode {
  declare older: LinkedNode;
  declare newer: LinkedNode;

  // Set in the constructor: field initialisers take V8 ten times as long once five classes inherit them.
  constructor() {
    this.older = this;
    this.newer = this;
  }

  /** Whether this is an empty list, or a node that is in no list. */
  get isUnlinked(): boolean {
    return this.newer === this;
  }

  /** Moves the node to the newest end of a list. */
  moveTo(list: LinkedNode): void {
    this.leave();
    this.older = list.older;
    this.newer = list;
    this.older.newer = this;
    list.older = this;
  }

  leave(): void {
    if (this.isUnlinked) return;
    this.older.newer = this.newer;
    this.newer.older = this.older;
    this.older = this.newer = this;
  }
}
