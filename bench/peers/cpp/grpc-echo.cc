// gRPC C++ over a Unix socket: "grpc-echo serve PATH" until it is killed, "grpc-echo call PATH" as load.h says. The server has the callback
// API: with 64 calls in flight it was faster here than the synchronous one, and as fast with one.
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "bench.grpc.pb.h"
#include "load.h"

namespace {

class Service final : public bench::Socket::CallbackService {
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const bench::Data* request,
                                 bench::Data* answer) override {
    answer->set_data(request->data());
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

int serve(const std::string& address) {
  Service service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (!server) return 1;
  ready();
  server->Wait();
  return 0;
}

void check(const grpc::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.error_message().c_str());
  std::exit(1);
}

// The synchronous stub, which polls in the thread that waits.
void one(bench::Socket::Stub& stub, const bench::Data& request, Load& load) {
  for (bool more = true; more;) {
    grpc::ClientContext context;
    bench::Data answer;
    load.began();
    check(stub.Echo(&context, request, &answer));
    more = load.ended(answer.data().size());
  }
}

struct Call {
  grpc::ClientContext context;
  bench::Data answer;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<bench::Data>> reader;
};

void many(bench::Socket::Stub& stub, const bench::Data& request, Load& load) {
  grpc::CompletionQueue queue;
  int open = 0;
  const auto begin = [&] {
    auto* call = new Call;
    call->reader = stub.AsyncEcho(&call->context, request, &queue);
    call->reader->Finish(&call->answer, &call->status, call);
    ++open;
  };
  for (int i = 0; i < load.inFlight; ++i) begin();
  void* tag;
  bool ok;
  while (open > 0 && queue.Next(&tag, &ok)) {
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    --open;
    check(call->status);
    if (load.ended(call->answer.data().size())) begin();
  }
}

int call(const std::string& address) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  const auto stub = bench::Socket::NewStub(channel);
  return runLoads([&](Load& load) {
    bench::Data request;
    request.set_data(std::string(load.bytes, 7));
    if (load.inFlight == 1) {
      one(*stub, request, load);
    } else {
      many(*stub, request, load);
    }
  });
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return 2;
  const std::string address = std::string("unix:") + words[2];
  return std::string(words[1]) == "serve" ? serve(address) : call(address);
}
