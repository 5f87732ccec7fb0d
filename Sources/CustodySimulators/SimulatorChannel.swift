import CustodyDomain
import Glibc
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL

/// A connection to a simulator: what the line says of it first, HTTP/1.1 then.
struct SimulatorChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    struct TurnedAway: Error {}

    let base: HTTP1Channel
    let line: SimulatorLine

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let address = channel.remoteAddress?.ipAddress ?? ""
        guard let (delay, context) = line.reception(of: address) else {
            channel.close(mode: .all, promise: nil)
            return channel.eventLoop.makeFailedFuture(TurnedAway())
        }
        // All of it at once: a connection that is made ready only later may outlive the listener, and nobody takes it then.
        return channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(CutHandler())
            if delay != .zero { try pipeline.addHandler(SlowHandler(delay)) }
            if let context { try pipeline.addHandler(NIOSSLServerHandler(context: context)) }
        }.flatMap {
            base.setup(channel: channel, logger: logger)
        }.flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let encoder = try pipeline.handler(type: HTTPResponseEncoder.self)
            try pipeline.addHandler(DateHandler(line: line), position: .after(encoder))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}

/// Asks for a connection to be cut off: no farewell of TLS's, and a reset instead of an end.
struct LineCut: Sendable {}

/// Cuts the connection when asked to: nearest to the socket, so that nothing else gets to say anything.
private final class CutHandler: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is LineCut else { return context.triggerUserOutboundEvent(event, promise: promise) }
        if let socket = context.channel as? any SocketOptionProvider {
            socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenFailure { _ in }
        }
        context.close(mode: .all, promise: promise)
    }
}

/// Hears nothing of a connection's first words for a while, so that its handshake takes that long.
private final class SlowHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let delay: Duration
    private var held: [NIOAny]? = []

    init(_ delay: Duration) { self.delay = delay }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let waiting = held else { return context.fireChannelRead(data) }
        held = waiting + [data]
        guard waiting.isEmpty else { return }
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(delay)) {
            for data in self.held ?? [] { context.fireChannelRead(data) }
            self.held = nil
            context.fireChannelReadComplete()
        }
    }
}

/// Dates answers by the counterparty's own clock, where that is off.
private final class DateHandler: ChannelOutboundHandler {
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let line: SimulatorLine

    init(line: SimulatorLine) { self.line = line }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard line.clockOffset != .zero, case .head(var head) = unwrapOutboundIn(data) else {
            return context.write(data, promise: promise)
        }
        head.headers.replaceOrAdd(name: "Date", value: DateHandler.text(line.realNow.seconds))
        context.write(wrapOutboundOut(.head(head)), promise: promise)
    }

    /// A `Date` field: `Sun, 06 Nov 1994 08:49:37 GMT`.
    private static func text(_ seconds: Int64) -> String {
        var time = tm()
        var instant = time_t(seconds)
        gmtime_r(&instant, &time)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : String(number) }
        return "\(days[Int(time.tm_wday)]), \(two(time.tm_mday)) \(months[Int(time.tm_mon)]) \(time.tm_year + 1900) "
            + "\(two(time.tm_hour)):\(two(time.tm_min)):\(two(time.tm_sec)) GMT"
    }
}
