import { EventEmitter, on } from "node:events";
import { GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { createProgram } from "./pages.ts";

/**
 * A notifier on graphql-ws with one subscription for each topic. Disposing the result of `useServer` closes every
 * client.
 */
const topics = new EventEmitter().setMaxListeners(0);
const program = createProgram((topic, data) => topics.emit(topic, { publications: data }));

async function* publications(_: unknown, { topic }: { topic: string }): AsyncGenerator<object> {
  const events = on(topics, topic);
  yield { publications: { topic, number: 0, text: "" } };
  for await (const [event] of events) yield event;
}

const publication = new GraphQLObjectType({
  name: "Publication",
  fields: { topic: { type: GraphQLString }, number: { type: GraphQLInt }, text: { type: GraphQLString } },
});
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: "Query", fields: { hello: { type: GraphQLString } } }),
  subscription: new GraphQLObjectType({
    name: "Subscription",
    fields: {
      publications: {
        type: publication,
        args: { topic: { type: new GraphQLNonNull(GraphQLString) } },
        subscribe: publications,
      },
    },
  }),
});
const sockets = new WebSocketServer({ server: program.server, path: "/notifications" });
const disposable = useServer({ schema }, sockets);
program.start(async () => {
  await disposable.dispose();
  await new Promise((resolve) => program.server.close(resolve));
});
