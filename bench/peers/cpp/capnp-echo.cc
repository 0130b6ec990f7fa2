// Cap'n Proto C++ over a Unix socket: "capnp-echo serve PATH" until it is killed, "capnp-echo call PATH" as load.h says.
#include <capnp/ez-rpc.h>
#include <kj/async.h>

#include <string>
#include <vector>

#include "bench.capnp.h"
#include "load.h"

namespace {

class Service final : public Socket::Server {
  kj::Promise<void> echo(EchoContext context) override {
    context.getResults().setData(context.getParams().getData());
    return kj::READY_NOW;
  }
};

int serve(const std::string& address) {
  capnp::EzRpcServer server(kj::heap<Service>(), address.c_str());
  server.getPort().wait(server.getWaitScope());
  ready();
  kj::NEVER_DONE.wait(server.getWaitScope());
}

// One call after another until the load is over.
kj::Promise<void> chain(Socket::Client& socket, kj::ArrayPtr<const kj::byte> data, Load& load) {
  auto request = socket.echoRequest();
  load.began();
  request.setData(data);
  return request.send().then([&socket, data, &load](capnp::Response<Socket::EchoResults>&& answer) -> kj::Promise<void> {
    if (load.ended(answer.getData().size())) return chain(socket, data, load);
    return kj::READY_NOW;
  });
}

int call(const std::string& address) {
  capnp::EzRpcClient client(address.c_str());
  auto socket = client.getMain<Socket>();
  return runLoads([&](Load& load) {
    const std::vector<kj::byte> data(load.bytes, 7);
    kj::Vector<kj::Promise<void>> chains;
    for (int i = 0; i < load.inFlight; ++i) chains.add(chain(socket, kj::arrayPtr(data.data(), data.size()), load));
    kj::joinPromises(chains.releaseAsArray()).wait(client.getWaitScope());
  });
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return 2;
  const std::string address = std::string("unix:") + words[2];
  return std::string(words[1]) == "serve" ? serve(address) : call(address);
}
