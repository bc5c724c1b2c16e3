// The official interop cases with grpc-js: `node client.js ADDRESS [--case NAME]`.
//
// Prints a line for each case, exits 1 when one failed. The names and the procedures are those of
// doc/interop-test-descriptions.md of the gRPC project. grpc-js compresses all messages of a channel or none; single
// ones are exempted by an interceptor here. It shows no flags of received messages: test_protocol.py looks at those.
// The first step of client_compressed_unary and _streaming (the server refuses what it was promised compressed) is left
// to the cases `..._probe`, which only a host that shows the encoding of a request can pass.

import assert from 'node:assert/strict';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTO = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'protos', 'interop.proto');
const { TestService, UnimplementedService } = grpc.loadPackageDefinition(
  loadSync(PROTO, { keepCase: true }),
).grpc.testing;

const REQUEST_SIZE = 271828;
const RESPONSE_SIZE = 314159;
const STREAM_REQUEST_SIZES = [27182, 8, 1828, 45904];
const STREAM_RESPONSE_SIZES = [31415, 9, 2653, 58979];
const ECHO_INITIAL = ['x-grpc-test-echo-initial', 'test_initial_metadata_value'];
const ECHO_TRAILING = ['x-grpc-test-echo-trailing-bin', Buffer.from([0xab, 0xab, 0xab])];
const SPECIAL_MESSAGE = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';

const BOUND_MS = 10_000;
const COMPRESSING = { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip };
const NO_COMPRESS = 2; // gRPC's write flag

const zeros = (size) => ({ body: Buffer.alloc(size) });
const bool = (value) => ({ value });
const largeRequest = (more = {}) => ({ response_size: RESPONSE_SIZE, payload: zeros(REQUEST_SIZE), ...more });
const streamRequest = (requestSize, responseSize) => ({
  response_parameters: [{ size: responseSize }],
  payload: zeros(requestSize),
});
const options = (more = {}) => ({ deadline: Date.now() + BOUND_MS, ...more });

/** Sends the messages for which `isPlain` is true uncompressed. */
const uncompressed = (isPlain) => (callOptions, nextCall) => {
  const call = nextCall(callOptions);
  const send = call.sendMessageWithContext.bind(call);
  call.sendMessageWithContext = (context, message) =>
    send(isPlain(message) ? { ...context, flags: NO_COMPRESS } : context, message);
  return call;
};

/** A call and everything that it brings, once it is over. */
function finished(call) {
  const seen = { initial: undefined, messages: [], status: undefined };
  return new Promise((resolve) => {
    call.on('metadata', (metadata) => (seen.initial = metadata));
    call.on('data', (message) => seen.messages.push(message));
    call.on('error', () => {}); // the status says it too
    call.on('status', (status) => resolve({ ...seen, status }));
  });
}

/** The same for a call with one answer; `start` takes the callback. */
function finishedUnary(start) {
  let answer;
  const call = start((error, message) => (answer = message));
  const over = finished(call).then((seen) => ({ ...seen, messages: answer ? [answer] : [] }));
  return { call, over };
}

function expectStatus(seen, code, details) {
  assert.equal(seen.status.code, code, `status ${seen.status.code}: ${seen.status.details}`);
  if (details !== undefined) assert.equal(seen.status.details, details);
}

function expectPayloads(seen, sizes) {
  expectStatus(seen, grpc.status.OK);
  assert.deepEqual(seen.messages.map((message) => message.payload.body.length), sizes);
  for (const message of seen.messages) assert.ok(message.payload.body.every((byte) => byte === 0), 'not zeros');
}

function expectSum(seen, sum) {
  expectStatus(seen, grpc.status.OK);
  assert.equal(seen.messages[0].aggregated_payload_size, sum);
}

const unary = (client, request, metadata = new grpc.Metadata(), more = {}) =>
  finishedUnary((callback) => client.UnaryCall(request, metadata, options(more), callback)).over;

function sent(call, requests) {
  for (const request of requests) call.write(request);
  call.end();
}

const CASES = {
  async empty_unary(client) {
    const seen = await finishedUnary((callback) => client.EmptyCall({}, options(), callback)).over;
    expectStatus(seen, grpc.status.OK);
    assert.deepEqual(seen.messages, [{}]);
  },

  async large_unary(client) {
    expectPayloads(await unary(client, largeRequest()), [RESPONSE_SIZE]);
  },

  async client_streaming(client) {
    const { call, over } = finishedUnary((callback) => client.StreamingInputCall(options(), callback));
    sent(call, STREAM_REQUEST_SIZES.map((size) => ({ payload: zeros(size) })));
    expectSum(await over, 74922);
  },

  async server_streaming(client) {
    const request = { response_parameters: STREAM_RESPONSE_SIZES.map((size) => ({ size })) };
    expectPayloads(await finished(client.StreamingOutputCall(request, options())), STREAM_RESPONSE_SIZES);
  },

  async ping_pong(client) {
    const call = client.FullDuplexCall(options());
    let next = 0;
    const send = () => {
      if (next === STREAM_REQUEST_SIZES.length) call.end();
      else call.write(streamRequest(STREAM_REQUEST_SIZES[next], STREAM_RESPONSE_SIZES[next]));
      next += 1;
    };
    call.on('data', send);
    send();
    expectPayloads(await finished(call), STREAM_RESPONSE_SIZES);
  },

  async empty_stream(client) {
    const call = client.FullDuplexCall(options());
    call.end();
    expectPayloads(await finished(call), []);
  },

  async cancel_after_begin(client) {
    const { call, over } = finishedUnary((callback) => client.StreamingInputCall(options(), callback));
    setImmediate(() => call.cancel());
    expectStatus(await over, grpc.status.CANCELLED);
  },

  async cancel_after_first_response(client) {
    const call = client.FullDuplexCall(options());
    call.on('data', () => call.cancel());
    call.write(streamRequest(STREAM_REQUEST_SIZES[0], STREAM_RESPONSE_SIZES[0]));
    const seen = await finished(call);
    expectStatus(seen, grpc.status.CANCELLED);
    assert.equal(seen.messages.length, 1);
  },

  async timeout_on_sleeping_server(client) {
    const call = client.FullDuplexCall({ deadline: Date.now() + 1 });
    call.write({ payload: zeros(STREAM_REQUEST_SIZES[0]) });
    expectStatus(await finished(call), grpc.status.DEADLINE_EXCEEDED);
  },

  async custom_metadata(client) {
    const metadata = new grpc.Metadata();
    for (const [key, value] of [ECHO_INITIAL, ECHO_TRAILING]) metadata.set(key, value);
    const call = client.FullDuplexCall(metadata, options());
    sent(call, [streamRequest(REQUEST_SIZE, RESPONSE_SIZE)]);
    for (const seen of await Promise.all([unary(client, largeRequest(), metadata), finished(call)])) {
      expectPayloads(seen, [RESPONSE_SIZE]);
      assert.deepEqual(seen.initial.get(ECHO_INITIAL[0]), [ECHO_INITIAL[1]]);
      assert.deepEqual(seen.status.metadata.get(ECHO_TRAILING[0]), [ECHO_TRAILING[1]]);
    }
  },

  async status_code_and_message(client) {
    const response_status = { code: 2, message: 'test status message' };
    const call = client.FullDuplexCall(options());
    sent(call, [{ response_status }]);
    for (const seen of await Promise.all([unary(client, { response_status }), finished(call)])) {
      expectStatus(seen, grpc.status.UNKNOWN, response_status.message);
    }
  },

  async special_status_message(client) {
    const seen = await unary(client, { response_status: { code: 2, message: SPECIAL_MESSAGE } });
    expectStatus(seen, grpc.status.UNKNOWN, SPECIAL_MESSAGE);
  },

  async unimplemented_method(client) {
    const seen = await finishedUnary((callback) => client.UnimplementedCall({}, options(), callback)).over;
    expectStatus(seen, grpc.status.UNIMPLEMENTED);
  },

  async unimplemented_service(client, address) {
    const other = new UnimplementedService(address, grpc.credentials.createInsecure());
    try {
      const seen = await finishedUnary((callback) => other.UnimplementedCall({}, options(), callback)).over;
      expectStatus(seen, grpc.status.UNIMPLEMENTED);
    } finally {
      other.close();
    }
  },

  async client_compressed_unary(client, address) {
    const compressing = new TestService(address, grpc.credentials.createInsecure(), COMPRESSING);
    try {
      const request = largeRequest({ expect_compressed: bool(true) });
      expectPayloads(await unary(compressing, request), [RESPONSE_SIZE]);
    } finally {
      compressing.close();
    }
    expectPayloads(await unary(client, largeRequest({ expect_compressed: bool(false) })), [RESPONSE_SIZE]);
  },

  async server_compressed_unary(client) {
    for (const value of [true, false]) {
      expectPayloads(await unary(client, largeRequest({ response_compressed: bool(value) })), [RESPONSE_SIZE]);
    }
  },

  async client_compressed_streaming(client, address) {
    const compressing = new TestService(address, grpc.credentials.createInsecure(), COMPRESSING);
    const interceptors = [uncompressed((message) => message.expect_compressed.value === false)];
    try {
      const { call, over } = finishedUnary((callback) =>
        compressing.StreamingInputCall(options({ interceptors }), callback),
      );
      sent(call, [
        { payload: zeros(27182), expect_compressed: bool(true) },
        { payload: zeros(45904), expect_compressed: bool(false) },
      ]);
      expectSum(await over, 73086);
    } finally {
      compressing.close();
    }
  },

  async server_compressed_streaming(client) {
    const request = {
      response_parameters: [
        { size: 31415, compressed: bool(true) },
        { size: 92653, compressed: bool(false) },
      ],
    };
    expectPayloads(await finished(client.StreamingOutputCall(request, options())), [31415, 92653]);
  },
};

const PROBES = {
  async client_compressed_unary_probe(client) {
    const seen = await unary(client, largeRequest({ expect_compressed: bool(true) }));
    expectStatus(seen, grpc.status.INVALID_ARGUMENT);
  },

  async client_compressed_streaming_probe(client) {
    const { call, over } = finishedUnary((callback) => client.StreamingInputCall(options(), callback));
    sent(call, [{ payload: zeros(27182), expect_compressed: bool(true) }]);
    expectStatus(await over, grpc.status.INVALID_ARGUMENT);
  },
};

/** Runs one case on a connection of its own; whether it passed. */
async function passes(name, address) {
  const client = new TestService(address, grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  try {
    await { ...CASES, ...PROBES }[name](client, address);
    console.log(`ok ${name}`);
    return true;
  } catch (error) {
    console.log(`FAIL ${name}: ${error.message.replaceAll('\n', ' ')}`);
    return false;
  } finally {
    client.close();
  }
}

async function main([address, flag, wanted = 'all']) {
  const known = [...Object.keys(CASES), ...Object.keys(PROBES)];
  if (!address || (flag && (flag !== '--case' || ![...known, 'all'].includes(wanted)))) {
    console.error(`usage: node client.js HOST:PORT [--case all|${known.join('|')}]`);
    return 2;
  }
  let passed = true;
  for (const name of wanted === 'all' ? Object.keys(CASES) : [wanted]) passed = (await passes(name, address)) && passed;
  return passed ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
