import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

/// One call out over HTTP: connects, sends, reads at most ``responseLimit`` bytes, follows no redirect.
public struct Outbound: Sendable {
    /// A complete answer.
    public struct Answer: Sendable {
        /// The HTTP status.
        public let status: Int
        /// The header fields, names as received.
        public let headers: [(name: String, value: String)]
        /// The body, whole.
        public let body: [UInt8]

        /// The first field of a name, in any case.
        public func header(_ name: String) -> String? {
            let wanted = name.lowercased()
            return headers.first { $0.name.lowercased() == wanted }?.value
        }
    }

    /// A body longer than this is refused unread: 64 MiB, for bills.
    public static let responseLimit = 64 << 20

    /// What the system says when a connection was not made; an address that is no name fails with these alone.
    private static let neverConnected: Set<CInt> = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH]

    private let client: HTTPClient
    private let timeout: Duration

    /// Makes calls through a client, each done within a time.
    ///
    /// - Parameters:
    ///   - client: Owned and shut down by the caller.
    ///   - timeout: From the first byte of the connection to the last of the answer.
    public init(client: HTTPClient, timeout: Duration = .seconds(15)) {
        self.client = client
        self.timeout = timeout
    }

    /// Makes one call. Never sends a request twice.
    public func call(
        _ method: String, _ url: String, headers: [(String, String)], body: [UInt8] = []
    ) async throws(Doubt) -> Answer {
        var request = HTTPClientRequest(url: url)
        request.method = .init(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if !body.isEmpty { request.body = .bytes(body) }
        do {
            let response = try await client.execute(
                request, timeout: .nanoseconds(Int64(timeout.components.seconds) * 1_000_000_000)
            )
            let bytes = try await response.body.collect(upTo: Outbound.responseLimit)
            return Answer(
                status: Int(response.status.code),
                headers: response.headers.map { ($0.name, $0.value) },
                body: Array(bytes.readableBytesView)
            )
        } catch let error as HTTPClientError where error == .connectTimeout {
            throw Doubt(.unreachable, "connect timeout")
        } catch let error as HTTPClientError {
            throw Doubt(.noAnswer, error.shortDescription)
        } catch is NIOTooManyBytesError {
            throw Doubt(.malformedAnswer, "answer over the size limit")
        } catch let error as IOError where Outbound.neverConnected.contains(error.errnoCode) {
            throw Doubt(.unreachable, "no connection")
        } catch is NIOConnectionError {
            throw Doubt(.unreachable, "no connection")
        } catch {
            throw Doubt(.noAnswer, String(describing: type(of: error)))
        }
    }
}
