import AsyncHTTPClient
import NIOCore

extension HTTPClient.Configuration {
    /// How the demo and the simulators call out: no redirects, and a deadline for connecting.
    static var outbound: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(5))
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }
}
