import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Closes connections that are held without being used: slow headers, dribbled bodies, answers nobody reads.
///
/// The server underneath has no deadline for any of these: its idle timer is fed by every dribbled byte of a body, and rests
/// while an answer is being written.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// A body is written in pieces of this size, so that a client that reads slowly still makes progress.
    private static let pieceSize = 64 * 1024
    /// How long an answer to a request that was not read to its end has to reach the client.
    private static let linger = Duration.seconds(1)

    private let limits: APIConfiguration.Limits
    private let deadline = MovingDeadline()
    private let stall = MovingDeadline()
    private var isReading = false
    /// Requests whose answer has not ended; pipelined ones are read long before it is their turn.
    private var unanswered = 0
    private var pendingWrites = 0
    private var isGone = false

    init(limits: APIConfiguration.Limits) { self.limits = limits }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { arm(limits.header, context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { disarm() }

    func channelActive(context: ChannelHandlerContext) {
        arm(limits.header, context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        disarm()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            isReading = true
            unanswered += 1
            arm(limits.request, context)
        case .body: break
        case .end:
            isReading = false
            if unanswered == 0 {
                // It was answered before it was whole: the connection is free again.
                arm(limits.idle, context)
            } else {
                deadline.clear()
            }
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head:
            track(context.write(data), context, promise)
        case .body(var buffer):
            while buffer.readableBytes > ConnectionGuard.pieceSize,
                let piece = buffer.readSlice(length: ConnectionGuard.pieceSize)
            {
                track(context.write(wrapOutboundOut(.body(piece))), context, nil)
            }
            track(context.write(wrapOutboundOut(.body(buffer))), context, promise)
        case .end:
            unanswered -= 1
            track(context.write(data), context, promise)
            if unanswered > 0 {
                // Another request is being read or waits for its answer: its own deadline counts.
            } else if isReading {
                // The rest of the request is of no interest any more; but the answer must get through before we hang up.
                arm(ConnectionGuard.linger, context)
            } else {
                arm(limits.idle, context)
            }
        }
    }

    /// Watches a write: as long as any is pending, one must complete in every period of the stall limit.
    private func track(
        _ write: EventLoopFuture<Void>, _ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?
    ) {
        pendingWrites += 1
        if pendingWrites == 1 { arm(stall, limits.writeStall, context) }
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        write.whenComplete { _ in
            let (handler, context) = loopBound.value
            handler.pendingWrites -= 1
            if handler.pendingWrites > 0 {
                handler.arm(handler.stall, handler.limits.writeStall, context)
            } else {
                handler.stall.clear()
            }
        }
        write.cascade(to: promise)
    }

    private func arm(_ limit: Duration, _ context: ChannelHandlerContext) { arm(deadline, limit, context) }

    private func arm(_ deadline: MovingDeadline, _ limit: Duration, _ context: ChannelHandlerContext) {
        if !isGone { deadline.move(to: .now() + TimeAmount(limit), context) }
    }

    private func disarm() {
        isGone = true
        deadline.end()
        stall.end()
    }
}

/// A moment at which a connection is closed unless it moves: the loop's timer is set anew only when it went off too early, since
/// every request moves it several times.
private final class MovingDeadline {
    private var due: NIODeadline?
    private var timer: Scheduled<Void>?
    private var rings = NIODeadline.distantFuture

    /// Moves it, or sets it.
    func move(to due: NIODeadline, _ context: ChannelHandlerContext) {
        self.due = due
        if timer != nil, rings <= due { return }
        timer?.cancel()
        ring(at: due, context)
    }

    /// Nothing is closed for now.
    func clear() { due = nil }

    /// Nothing is closed any more.
    func end() {
        due = nil
        timer?.cancel()
        timer = nil
    }

    private func ring(at moment: NIODeadline, _ context: ChannelHandlerContext) {
        rings = moment
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: moment) {
            let (deadline, context) = loopBound.value
            deadline.timer = nil
            guard let due = deadline.due else { return }
            if due <= .now() { context.close(promise: nil) } else { deadline.ring(at: due, context) }
        }
    }
}
