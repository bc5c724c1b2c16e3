// The official interop cases with grpc-go: `client [--case NAME] ADDRESS`; built by tests/interop/foreign.py.
//
// Prints a line for each case, exits 1 when one failed. The names and the procedures are those of
// doc/interop-test-descriptions.md of the gRPC project. grpc-go compresses all messages of a call or none; what it
// received compressed it tells by the sizes that its stats show. The first step of client_compressed_unary and
// _streaming (the server refuses what it was promised compressed) is left to the cases `..._probe`, which only a host
// that shows the encoding of a request can pass.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	pb "interop/testservice"
)

const (
	requestSize    = 271828
	responseSize   = 314159
	bound          = 10 * time.Second
	echoInitial    = "x-grpc-test-echo-initial"
	initialValue   = "test_initial_metadata_value"
	echoTrailing   = "x-grpc-test-echo-trailing-bin"
	trailingValue  = "\xab\xab\xab"
	specialMessage = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
	prefixLength   = 5 // of a gRPC message on the wire; the stats count it
)

var (
	streamRequestSizes  = []int{27182, 8, 1828, 45904}
	streamResponseSizes = []int{31415, 9, 2653, 58979}
)

// test is one connection and what its answers looked like on the wire.
type test struct {
	connection *grpc.ClientConn
	client     pb.TestServiceClient

	mutex      sync.Mutex
	compressed []bool // of each message received
}

func (t *test) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (t *test) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (t *test) HandleConn(context.Context, stats.ConnStats)                       {}
func (t *test) HandleRPC(_ context.Context, seen stats.RPCStats) {
	if message, ok := seen.(*stats.InPayload); ok {
		t.mutex.Lock()
		defer t.mutex.Unlock()
		t.compressed = append(t.compressed, message.WireLength-prefixLength != message.Length)
	}
}

func (t *test) expectCompressed(want ...bool) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if fmt.Sprint(t.compressed) != fmt.Sprint(want) {
		return fmt.Errorf("messages were compressed: %v, wanted: %v", t.compressed, want)
	}
	return nil
}

func zeros(size int) *pb.Payload { return &pb.Payload{Body: make([]byte, size)} }

func largeRequest() *pb.SimpleRequest {
	return &pb.SimpleRequest{ResponseSize: responseSize, Payload: zeros(requestSize)}
}

func streamRequest(request, response int) *pb.StreamingOutputCallRequest {
	return &pb.StreamingOutputCallRequest{
		ResponseParameters: []*pb.ResponseParameters{{Size: int32(response)}},
		Payload:            zeros(request),
	}
}

func expectPayload(payload *pb.Payload, size int) error {
	if !bytes.Equal(payload.GetBody(), make([]byte, size)) {
		return fmt.Errorf("%d bytes instead of %d zeros", len(payload.GetBody()), size)
	}
	return nil
}

func expectCode(err error, want codes.Code) error {
	if status.Code(err) != want {
		return fmt.Errorf("wanted %v, got: %v", want, err)
	}
	return nil
}

func expectStatus(err error, want codes.Code, message string) error {
	if got := status.Convert(err).Message(); got != message {
		return fmt.Errorf("the message is %q", got)
	}
	return expectCode(err, want)
}

type receiver interface {
	Recv() (*pb.StreamingOutputCallResponse, error)
}

func expectPayloads(stream receiver, sizes ...int) error {
	for _, size := range sizes {
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := expectPayload(answer.Payload, size); err != nil {
			return err
		}
	}
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("wanted the end of the stream, got: %v", err)
	}
	return nil
}

func emptyUnary(ctx context.Context, t *test) error {
	_, err := t.client.EmptyCall(ctx, &pb.Empty{})
	return err
}

func (t *test) unary(ctx context.Context, request *pb.SimpleRequest, options ...grpc.CallOption) error {
	answer, err := t.client.UnaryCall(ctx, request, options...)
	if err != nil {
		return err
	}
	return expectPayload(answer.Payload, responseSize)
}

func largeUnary(ctx context.Context, t *test) error { return t.unary(ctx, largeRequest()) }

func (t *test) sum(ctx context.Context, requests []*pb.StreamingInputCallRequest, want int32, options ...grpc.CallOption) error {
	stream, err := t.client.StreamingInputCall(ctx, options...)
	if err != nil {
		return err
	}
	for _, request := range requests {
		if err := stream.Send(request); err != nil && err != io.EOF { // EOF: CloseAndRecv has the status
			return err
		}
	}
	answer, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	if answer.AggregatedPayloadSize != want {
		return fmt.Errorf("the sum is %d", answer.AggregatedPayloadSize)
	}
	return nil
}

func clientStreaming(ctx context.Context, t *test) error {
	var requests []*pb.StreamingInputCallRequest
	for _, size := range streamRequestSizes {
		requests = append(requests, &pb.StreamingInputCallRequest{Payload: zeros(size)})
	}
	return t.sum(ctx, requests, 74922)
}

func serverStreaming(ctx context.Context, t *test) error {
	request := &pb.StreamingOutputCallRequest{}
	for _, size := range streamResponseSizes {
		request.ResponseParameters = append(request.ResponseParameters, &pb.ResponseParameters{Size: int32(size)})
	}
	stream, err := t.client.StreamingOutputCall(ctx, request)
	if err != nil {
		return err
	}
	return expectPayloads(stream, streamResponseSizes...)
}

func pingPong(ctx context.Context, t *test) error {
	stream, err := t.client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for i, size := range streamRequestSizes {
		if err := stream.Send(streamRequest(size, streamResponseSizes[i])); err != nil {
			return err
		}
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := expectPayload(answer.Payload, streamResponseSizes[i]); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return expectPayloads(stream)
}

func emptyStream(ctx context.Context, t *test) error {
	stream, err := t.client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return expectPayloads(stream)
}

func cancelAfterBegin(ctx context.Context, t *test) error {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := t.client.StreamingInputCall(ctx)
	cancel()
	if err != nil {
		return err
	}
	_, err = stream.CloseAndRecv()
	return expectCode(err, codes.Canceled)
}

func cancelAfterFirstResponse(ctx context.Context, t *test) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := t.client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(streamRequest(streamRequestSizes[0], streamResponseSizes[0])); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	cancel()
	_, err = stream.Recv()
	return expectCode(err, codes.Canceled)
}

func timeoutOnSleepingServer(ctx context.Context, t *test) error {
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	stream, err := t.client.FullDuplexCall(ctx)
	if err == nil {
		// Whether it could still be sent or not, Recv has the status.
		_ = stream.Send(&pb.StreamingOutputCallRequest{Payload: zeros(streamRequestSizes[0])})
		_, err = stream.Recv()
	}
	return expectCode(err, codes.DeadlineExceeded)
}

func expectEchoed(initial, trailing metadata.MD) error {
	if got := initial.Get(echoInitial); len(got) != 1 || got[0] != initialValue {
		return fmt.Errorf("the initial metadata is %v", initial)
	}
	if got := trailing.Get(echoTrailing); len(got) != 1 || got[0] != trailingValue {
		return fmt.Errorf("the trailing metadata is %v", trailing)
	}
	return nil
}

func customMetadata(ctx context.Context, t *test) error {
	ctx = metadata.AppendToOutgoingContext(ctx, echoInitial, initialValue, echoTrailing, trailingValue)
	var initial, trailing metadata.MD
	if err := t.unary(ctx, largeRequest(), grpc.Header(&initial), grpc.Trailer(&trailing)); err != nil {
		return err
	}
	if err := expectEchoed(initial, trailing); err != nil {
		return err
	}
	stream, err := t.client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(streamRequest(requestSize, responseSize)); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := expectPayloads(stream, responseSize); err != nil {
		return err
	}
	if initial, err = stream.Header(); err != nil {
		return err
	}
	return expectEchoed(initial, stream.Trailer())
}

func statusCodeAndMessage(ctx context.Context, t *test) error {
	wanted := &pb.EchoStatus{Code: int32(codes.Unknown), Message: "test status message"}
	_, err := t.client.UnaryCall(ctx, &pb.SimpleRequest{ResponseStatus: wanted})
	if err := expectStatus(err, codes.Unknown, wanted.Message); err != nil {
		return err
	}
	stream, err := t.client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&pb.StreamingOutputCallRequest{ResponseStatus: wanted}); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	_, err = stream.Recv()
	return expectStatus(err, codes.Unknown, wanted.Message)
}

func specialStatusMessage(ctx context.Context, t *test) error {
	wanted := &pb.EchoStatus{Code: int32(codes.Unknown), Message: specialMessage}
	_, err := t.client.UnaryCall(ctx, &pb.SimpleRequest{ResponseStatus: wanted})
	return expectStatus(err, codes.Unknown, specialMessage)
}

func unimplementedMethod(ctx context.Context, t *test) error {
	_, err := t.client.UnimplementedCall(ctx, &pb.Empty{})
	return expectCode(err, codes.Unimplemented)
}

func unimplementedService(ctx context.Context, t *test) error {
	_, err := pb.NewUnimplementedServiceClient(t.connection).UnimplementedCall(ctx, &pb.Empty{})
	return expectCode(err, codes.Unimplemented)
}

func expectingCompressed(value bool) *pb.SimpleRequest {
	request := largeRequest()
	request.ExpectCompressed = &pb.BoolValue{Value: value}
	return request
}

func clientCompressedUnary(ctx context.Context, t *test) error {
	if err := t.unary(ctx, expectingCompressed(true), grpc.UseCompressor(gzip.Name)); err != nil {
		return err
	}
	return t.unary(ctx, expectingCompressed(false))
}

func clientCompressedUnaryProbe(ctx context.Context, t *test) error {
	return expectCode(t.unary(ctx, expectingCompressed(true)), codes.InvalidArgument)
}

func clientCompressedStreaming(ctx context.Context, t *test) error {
	return t.sum(ctx, streamExpectingCompressed(27182, 45904), 73086, grpc.UseCompressor(gzip.Name))
}

func clientCompressedStreamingProbe(ctx context.Context, t *test) error {
	return expectCode(t.sum(ctx, streamExpectingCompressed(27182), 27182), codes.InvalidArgument)
}

func streamExpectingCompressed(sizes ...int) (requests []*pb.StreamingInputCallRequest) {
	for _, size := range sizes {
		requests = append(requests, &pb.StreamingInputCallRequest{
			Payload: zeros(size), ExpectCompressed: &pb.BoolValue{Value: true},
		})
	}
	return requests
}

// acceptingGzip says what this old grpc-go understands but does not say by itself.
func acceptingGzip(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "grpc-accept-encoding", gzip.Name)
}

func serverCompressedUnary(ctx context.Context, t *test) error {
	for _, value := range []bool{true, false} {
		request := largeRequest()
		request.ResponseCompressed = &pb.BoolValue{Value: value}
		if err := t.unary(acceptingGzip(ctx), request); err != nil {
			return err
		}
	}
	return t.expectCompressed(true, false)
}

func serverCompressedStreaming(ctx context.Context, t *test) error {
	stream, err := t.client.StreamingOutputCall(acceptingGzip(ctx), &pb.StreamingOutputCallRequest{
		ResponseParameters: []*pb.ResponseParameters{
			{Size: 31415, Compressed: &pb.BoolValue{Value: true}},
			{Size: 92653, Compressed: &pb.BoolValue{Value: false}},
		},
	})
	if err != nil {
		return err
	}
	if err := expectPayloads(stream, 31415, 92653); err != nil {
		return err
	}
	return t.expectCompressed(true, false)
}

type interopCase struct {
	name string
	run  func(context.Context, *test) error
}

var cases = []interopCase{
	{"empty_unary", emptyUnary},
	{"large_unary", largeUnary},
	{"client_streaming", clientStreaming},
	{"server_streaming", serverStreaming},
	{"ping_pong", pingPong},
	{"empty_stream", emptyStream},
	{"cancel_after_begin", cancelAfterBegin},
	{"cancel_after_first_response", cancelAfterFirstResponse},
	{"timeout_on_sleeping_server", timeoutOnSleepingServer},
	{"custom_metadata", customMetadata},
	{"status_code_and_message", statusCodeAndMessage},
	{"special_status_message", specialStatusMessage},
	{"unimplemented_method", unimplementedMethod},
	{"unimplemented_service", unimplementedService},
	{"client_compressed_unary", clientCompressedUnary},
	{"server_compressed_unary", serverCompressedUnary},
	{"client_compressed_streaming", clientCompressedStreaming},
	{"server_compressed_streaming", serverCompressedStreaming},
}

var probes = []interopCase{
	{"client_compressed_unary_probe", clientCompressedUnaryProbe},
	{"client_compressed_streaming_probe", clientCompressedStreamingProbe},
}

// passes runs one case on a connection of its own.
func passes(chosen interopCase, address string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	t := &test{}
	var err error
	t.connection, err = grpc.DialContext(ctx, address, grpc.WithInsecure(), grpc.WithBlock(), grpc.WithStatsHandler(t))
	if err == nil {
		defer t.connection.Close()
		t.client = pb.NewTestServiceClient(t.connection)
		err = chosen.run(ctx, t)
	}
	if err != nil {
		fmt.Printf("FAIL %s: %s\n", chosen.name, strings.ReplaceAll(err.Error(), "\n", " "))
		return false
	}
	fmt.Println("ok", chosen.name)
	return true
}

func main() {
	wanted := flag.String("case", "all", "a case's name, or all")
	flag.Parse()
	var chosen []interopCase
	if *wanted == "all" {
		chosen = cases
	}
	for _, known := range append(append([]interopCase{}, cases...), probes...) {
		if known.name == *wanted {
			chosen = append(chosen, known)
		}
	}
	if flag.NArg() != 1 || len(chosen) == 0 {
		fmt.Fprintln(os.Stderr, "usage: client [--case NAME] HOST:PORT")
		os.Exit(2)
	}
	code := 0
	for _, one := range chosen {
		if !passes(one, flag.Arg(0)) {
			code = 1
		}
	}
	os.Exit(code)
}
