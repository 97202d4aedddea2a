import { describe, test } from "vitest";

/** What notifiers over one store must do together, and do not yet. */
describe("a cluster", () => {
  describe("deliveries", () => {
    test.todo(
      "a receipt of one node tells that a client of another one was sent, has read and has acknowledged it",
    );
    test.todo("a confirmed publication of one node that a client of another acknowledges is not reported");
    test.todo("a confirmed publication that two nodes published with one key is reported once at most");
    test.todo("a client that recovers on another node has acknowledged what it asks to come after");
    test.todo("a record whose release did not reach the store is released later");
    test.todo("an heir that cannot read what it has inherited tries again");
    test.todo("a node that inherits the same record twice reports its publication once");
  });

  describe("presence", () => {
    test.todo("presence on one node has the clients of all nodes");
    test.todo("presence says that it is not complete if a node does not answer within a second");
    test.todo("the clients of a node that was killed are present no more once its lease is over");
    test.todo("a client is told who joins and leaves on other nodes");
    test.todo("callers that ask for one channel's presence within a second share the answer");
  });

  describe("runs", () => {
    test.todo("a run is cancelled from another node, by its notifier and by a client");
    test.todo("a run is cancelled from another node before it has begun");
    test.todo("a client may not cancel a run on another node that it may not cancel on the run's own");
    test.todo("a cancel of a run whose node is dead says that the run has ended, once it is lost");
  });

  describe("whom a node serves", () => {
    test.todo("disconnect and unsubscribe on one node reach the sessions of all nodes");
    test.todo("disconnect and unsubscribe reach the sessions of a node that was cut off meanwhile");
    test.todo("a permission that one node forgets is asked for again on all nodes");
  });

  describe("a node that is lost", () => {
    test.todo("aborts the tasks of its runs, whose endings others have written");
    test.todo("closes its sessions so that their clients go to another node");
    test.todo("does not report as undelivered what its heir brings to an end");
    test.todo("is reported once, refuses what is published, and closes at once");
  });

  describe("a store that is set back, or wiped", () => {
    test.todo("runs that work are held again, and are lost when their node dies after that");
    test.todo("the ending of a run that the store has lost is written again");
    test.todo("what is confirmed and still there in the new epoch is not given up");
    test.todo("what is confirmed and was lost is reported once");
    test.todo("subscribers whose position is good in the new epoch stay subscribed");
  });

  describe("nodes of two versions", () => {
    test.todo("a record, a state or a control message of a later format is left alone, and counted");
  });
});
