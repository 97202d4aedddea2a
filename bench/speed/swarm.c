/*
 * The load: many WebSocket clients in one process that needs little CPU. The clients read and count events, and answer
 * pings.
 *
 * No JSON is parsed. The byte '~' marks an event: it ends the event's "at", the time of publication in microseconds.
 * The process reads commands from stdin, one per line, and prints one line of JSON for each:
 *
 *   count         events, bytes, frames and pings since the last reset, and p50 and p99 of latency in microseconds
 *   latencies     how many events since the last reset had each latency: pairs of hundredths of a millisecond and a count
 *   reset         sets all counts to zero
 *   say TEXT      every client sends TEXT as a message
 *   stuck N       the first N clients stop reading
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { UPGRADING, GREETING, READY };
enum { EARLY = 65536, BUCKETS = 400000, BUCKET_US = 10, DIGITS = 16 };

typedef struct {
  int fd;
  int state;
  /* The bytes that were read before the client was ready. */
  char *early;
  size_t earlySize;
  unsigned char head[14];
  int headSize;
  uint64_t rest;
  uint64_t size;
  /* The last bytes of the payload, to recognize a ping. */
  char last[3];
  char ping[126];
} Client;

static Client *clients;
static int count, begun, ready, epoll;
static int stuck;
static const char *path, *hello, *marker;
static char isEngine;
static uint64_t events, bytes, frames, pings, late;
static uint32_t latencies[BUCKETS];
static int64_t now;

static int64_t microseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void fail(const char *what) {
  printf("failed: %s: %s\n", what, strerror(errno));
  fflush(stdout);
  exit(1);
}

static void sendFrame(int fd, int opcode, const char *payload, size_t size) {
  unsigned char frame[70000];
  size_t at = 2;
  frame[0] = 0x80 | opcode;
  if (size < 126) {
    frame[1] = 0x80 | size;
  } else {
    frame[1] = 0x80 | 126;
    frame[2] = size >> 8;
    frame[3] = size & 255;
    at = 4;
  }
  /* A mask of zeros does not change the payload. */
  memset(frame + at, 0, 4);
  memcpy(frame + at + 4, payload, size);
  if (send(fd, frame, at + 4 + size, MSG_NOSIGNAL) < 0) fail("send");
}

/* Replaces each %d in the text by the number of the connection. Returns the length. */
static size_t fill(char *into, size_t size, const char *text, int number) {
  size_t at = 0;
  for (const char *place; (place = strstr(text, "%d")) != NULL; text = place + 2)
    at += snprintf(into + at, size - at, "%.*s%d", (int)(place - text), text, number);
  return at + snprintf(into + at, size - at, "%s", text);
}

static void begin(int number, int port) {
  Client *client = &clients[number];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct epoll_event interest = {.events = EPOLLIN, .data.u32 = number};
  char wanted[1024], request[2048];
  int one = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  client->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (client->fd < 0) fail("socket");
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  fcntl(client->fd, F_SETFL, O_NONBLOCK);
  fill(wanted, sizeof wanted, path, number);
  int length = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                        wanted, port);
  if (send(client->fd, request, length, MSG_NOSIGNAL) != length) fail("request");
  client->early = malloc(EARLY);
  epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &interest);
}

static void becomeReady(Client *client) {
  client->state = READY;
  free(client->early);
  client->early = NULL;
  ready++;
}

static void finishFrame(Client *client) {
  int opcode = client->head[0] & 15;
  frames++;
  if (opcode == 9) sendFrame(client->fd, 10, client->ping, client->size);
  if (opcode == 8) fail("the server closed a connection");
  if (opcode != 1) return;
  if (isEngine && client->size == 1 && client->last[2] == '2') {
    pings++;
    sendFrame(client->fd, 1, "3", 1);
  }
  int isLine = client->size == 2 || client->last[0] == '\n';
  if (!isEngine && client->size >= 2 && isLine && client->last[1] == '{' && client->last[2] == '}') {
    pings++;
    sendFrame(client->fd, 1, "{}", 2);
  }
}

static void measure(const char *end, size_t before) {
  if (before < DIGITS) return;
  int64_t at = 0;
  for (int i = -DIGITS; i < 0; i++) at = at * 10 + (end[i] - '0');
  int64_t bucket = (now - at) / BUCKET_US;
  if (bucket < 0) bucket = 0;
  if (bucket >= BUCKETS) late++;
  else latencies[bucket]++;
}

static void payload(Client *client, const char *data, size_t size) {
  const char *end = data + size;
  for (const char *at = data; (at = memchr(at, '~', end - at)) != NULL; at++) {
    events++;
    measure(at, at - data);
  }
  uint64_t done = client->size - client->rest;
  if (done + size <= 125) memcpy(client->ping + done, data, size);
  for (size_t from = size > 3 ? size - 3 : 0; from < size; from++) {
    client->last[0] = client->last[1];
    client->last[1] = client->last[2];
    client->last[2] = data[from];
  }
  client->rest -= size;
  if (client->rest == 0) finishFrame(client);
}

/* Reads one byte of a frame's header. Returns whether the header is complete. */
static int head(Client *client, unsigned char byte) {
  client->head[client->headSize++] = byte;
  if (client->headSize < 2) return 0;
  int length = client->head[1] & 127;
  int more = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (client->headSize < 2 + more) return 0;
  client->size = more == 0 ? length : 0;
  for (int i = 0; i < more; i++) client->size = client->size << 8 | client->head[2 + i];
  client->rest = client->size;
  client->headSize = 0;
  memset(client->last, 0, 3);
  return 1;
}

static void parse(Client *client, const char *data, size_t size) {
  size_t at = 0;
  while (at < size) {
    if (client->rest == 0) {
      if (head(client, data[at++]) && client->rest == 0) finishFrame(client);
      continue;
    }
    size_t part = size - at < client->rest ? size - at : client->rest;
    payload(client, data + at, part);
    at += part;
  }
}

static void keepEarly(Client *client, const char *data, size_t size) {
  if (client->earlySize + size >= EARLY) fail("too much before the client was ready");
  memcpy(client->early + client->earlySize, data, size);
  client->earlySize += size;
}

static void upgraded(Client *client, int number) {
  char text[32768];
  char *end = memmem(client->early, client->earlySize, "\r\n\r\n", 4);
  if (end == NULL) return;
  if (memcmp(client->early, "HTTP/1.1 101", 12) != 0) fail("the upgrade was refused");
  size_t rest = client->earlySize - (end + 4 - client->early);
  client->state = GREETING;
  if (hello[0] != '\0') sendFrame(client->fd, 1, text, fill(text, sizeof text, hello, number));
  parse(client, end + 4, rest);
  if (marker[0] == '\0' || memmem(end + 4, rest, marker, strlen(marker)) != NULL) becomeReady(client);
}

static void readable(int number) {
  static char buffer[262144];
  Client *client = &clients[number];
  ssize_t size = recv(client->fd, buffer, sizeof buffer, 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) fail("a connection ended");
  bytes += size;
  if (client->state == READY) {
    parse(client, buffer, size);
    return;
  }
  keepEarly(client, buffer, size);
  if (client->state == UPGRADING) {
    upgraded(client, number);
    return;
  }
  parse(client, buffer, size);
  if (memmem(client->early, client->earlySize, marker, strlen(marker)) != NULL) becomeReady(client);
}

static int64_t percentile(double share) {
  uint64_t all = late, seen = 0;
  for (int i = 0; i < BUCKETS; i++) all += latencies[i];
  for (int i = 0; i < BUCKETS; i++) {
    seen += latencies[i];
    if (seen > 0 && seen >= all * share) return (int64_t)i * BUCKET_US;
  }
  return (int64_t)BUCKETS * BUCKET_US;
}

/* The last pair has the events that were later than every bucket. */
static void printLatencies(void) {
  printf("{\"latencies\":[");
  for (int i = 0; i < BUCKETS; i++)
    if (latencies[i] > 0) printf("[%d,%u],", i, latencies[i]);
  printf("[%d,%lu]]}\n", BUCKETS, late);
}

static void reset(void) {
  events = bytes = frames = pings = late = 0;
  memset(latencies, 0, sizeof latencies);
}

static void command(char *line) {
  line[strcspn(line, "\n")] = '\0';
  if (strcmp(line, "reset") == 0) reset();
  if (strncmp(line, "say ", 4) == 0)
    for (int i = 0; i < count; i++) sendFrame(clients[i].fd, 1, line + 4, strlen(line + 4));
  if (strncmp(line, "stuck ", 6) == 0) {
    stuck = atoi(line + 6);
    for (int i = 0; i < stuck; i++) epoll_ctl(epoll, EPOLL_CTL_DEL, clients[i].fd, NULL);
  }
  if (strcmp(line, "count") == 0)
    printf("{\"events\":%lu,\"bytes\":%lu,\"frames\":%lu,\"pings\":%lu,\"p50\":%ld,\"p99\":%ld}\n", events, bytes,
           frames, pings, percentile(0.5), percentile(0.99));
  else if (strcmp(line, "latencies") == 0)
    printLatencies();
  else
    printf("{}\n");
}

/* Executes the complete lines of stdin, and keeps an incomplete last line. Returns 0 once stdin has ended. */
static int commands(void) {
  static char text[65536];
  static size_t size;
  ssize_t more = read(0, text + size, sizeof text - size - 1);
  if (more <= 0) return 0;
  size += more;
  text[size] = '\0';
  for (char *end; (end = strchr(text, '\n')) != NULL;) {
    char line[65536];
    size_t length = end + 1 - text;
    memcpy(line, text, length);
    line[length] = '\0';
    memmove(text, end + 1, size - length + 1);
    size -= length;
    command(line);
  }
  return 1;
}

/* swarm PORT CLIENTS AT_ONCE PATH HELLO MARKER DIALECT */
int main(int argc, char **argv) {
  if (argc != 8) return 2;
  int port = atoi(argv[1]), atOnce = atoi(argv[3]), reported = 0;
  count = atoi(argv[2]);
  path = argv[4];
  hello = argv[5];
  marker = argv[6];
  isEngine = strcmp(argv[7], "engine") == 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  clients = calloc(count, sizeof(Client));
  epoll = epoll_create1(0);
  struct epoll_event input = {.events = EPOLLIN, .data.u32 = UINT32_MAX}, happened[512];
  epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input);
  int64_t began = microseconds();
  for (;;) {
    while (begun < count && begun - ready < atOnce) begin(begun++, port);
    if (ready == count && !reported) {
      reported = 1;
      printf("{\"milliseconds\":%ld}\n", (microseconds() - began) / 1000);
    }
    int found = epoll_wait(epoll, happened, 512, -1);
    now = microseconds();
    for (int i = 0; i < found; i++) {
      if (happened[i].data.u32 != UINT32_MAX) readable(happened[i].data.u32);
      else if (!commands()) return 0;
    }
  }
}
