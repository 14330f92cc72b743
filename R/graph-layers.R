# Where the steps of a graph go: a layered layout. Pure rules, in units that the caller chooses (inches).
#
# Every arrow leads to a later layer. One that passes layers goes through a point in each of them, so that it
# keeps clear of the boxes there. Within a layer the order is chosen so that few arrows cross, and the places
# so that arrows are short and straight.
#
# "along" is the direction from layer to layer, "across" the other one.

# `nodes`: names, in the order of the flow. `arrows`: a matrix with the columns "from" and "to" of names; arrows
# from a node to itself have no place in a layout and are left out.
# Returns list(nodes, links): nodes are a data frame (name: NA for a point of an arrow; arrow; layer; rank: place
# in the layer), links a list with the row numbers of the nodes that each arrow goes through, first to last.
graph_layers <- function(nodes, arrows) {
  arrows <- arrows[arrows[, "from"] != arrows[, "to"], , drop = FALSE]
  from <- match(arrows[, "from"], nodes)
  to <- match(arrows[, "to"], nodes)
  against <- closes_circle(length(nodes), from, to)
  lower <- ifelse(against, to, from)
  upper <- ifelse(against, from, to)
  layer <- longest_way(length(nodes), lower, upper)
  table <- data.frame(name = nodes, arrow = NA_integer_, layer = layer)
  links <- vector("list", length(lower))
  for (i in seq_along(lower)) {
    passed <- seq_len(max(0L, layer[[upper[[i]]]] - layer[[lower[[i]]]] - 1L)) + layer[[lower[[i]]]]
    points <- nrow(table) + seq_along(passed)
    if (length(passed)) table <- rbind(table, data.frame(name = NA_character_, arrow = i, layer = passed))
    links[[i]] <- c(lower[[i]], points, upper[[i]])
    if (against[[i]]) links[[i]] <- rev(links[[i]])
  }
  table$rank <- best_ranks(table$layer, links)
  list(nodes = table, links = links)
}

# Which arrows lead back to a node that is on the way to them: a depth-first walk meets them from inside. A flow
# that passed its check has none; one that is being written may.
closes_circle <- function(count, from, to) {
  state <- integer(count)
  back <- logical(length(from))
  for (root in seq_len(count)) {
    if (state[[root]]) next
    trail <- root
    state[[root]] <- 1L
    tried <- integer(count)
    while (length(trail)) {
      here <- trail[[length(trail)]]
      out <- which(from == here)
      if (tried[[here]] == length(out)) {
        state[[here]] <- 2L
        trail <- trail[-length(trail)]
        next
      }
      tried[[here]] <- tried[[here]] + 1L
      arrow <- out[[tried[[here]]]]
      if (state[[to[[arrow]]]] == 1L) back[[arrow]] <- TRUE
      if (state[[to[[arrow]]]] == 0L) {
        state[[to[[arrow]]]] <- 1L
        trail <- c(trail, to[[arrow]])
      }
    }
  }
  back
}

# The number of arrows on the longest way to each node, from 1; there are no circles.
longest_way <- function(count, from, to) {
  layer <- rep(1L, count)
  repeat {
    wanted <- layer
    for (i in seq_along(from)) wanted[[to[[i]]]] <- max(wanted[[to[[i]]]], wanted[[from[[i]]]] + 1L)
    if (identical(wanted, layer)) return(layer)
    layer <- wanted
  }
}

# --- order within the layers ---------------------------------------------------------------------

# Steps of links from one layer to the next: a matrix of row numbers, the earlier layer first.
link_pairs <- function(layer, links) {
  pairs <- do.call(rbind, lapply(links, function(link) cbind(link[-length(link)], link[-1L])))
  if (is.null(pairs)) return(matrix(0L, 0L, 2L))
  turned <- layer[pairs[, 1L]] > layer[pairs[, 2L]]
  pairs[turned, ] <- pairs[turned, 2:1]
  pairs
}

# Each layer is sorted by where its neighbours are, forwards and backwards in turn; the best order met is kept.
best_ranks <- function(layer, links) {
  pairs <- link_pairs(layer, links)
  rank <- stats::ave(walk_order(layer, pairs), layer, FUN = rank)
  best <- rank
  fewest <- crossings(layer, pairs, rank)
  for (turn in 1:8) {
    if (!fewest) break
    forwards <- turn %% 2L == 1L
    for (l in if (forwards) seq_len(max(layer))[-1L] else rev(seq_len(max(layer) - 1L))) {
      here <- which(layer == l)
      near <- vapply(here, function(i) {
        mean(rank[if (forwards) pairs[pairs[, 2L] == i, 1L] else pairs[pairs[, 1L] == i, 2L]])
      }, 0)
      near[is.nan(near)] <- rank[here][is.nan(near)]
      rank[here[order(near, rank[here])]] <- seq_along(here)
    }
    count <- crossings(layer, pairs, rank)
    if (count < fewest) {
      fewest <- count
      best <- rank
    }
  }
  as.integer(best)
}

# The order in which a depth-first walk comes to the nodes: branches stand as they are written.
walk_order <- function(layer, pairs) {
  number <- rep(NA_integer_, length(layer))
  waiting <- rev(order(layer))
  met <- 0L
  while (length(waiting)) {
    here <- waiting[[length(waiting)]]
    waiting <- waiting[-length(waiting)]
    if (!is.na(number[[here]])) next
    met <- met + 1L
    number[[here]] <- met
    waiting <- c(waiting, rev(pairs[pairs[, 1L] == here, 2L]))
  }
  number
}

crossings <- function(layer, pairs, rank) {
  count <- 0L
  for (l in unique(layer[pairs[, 1L]])) {
    between <- pairs[layer[pairs[, 1L]] == l, , drop = FALSE]
    a <- rank[between[, 1L]]
    b <- rank[between[, 2L]]
    count <- count + sum(outer(a, a, "<") & outer(b, b, ">"))
  }
  count
}

# --- places across -------------------------------------------------------------------------------

# Where each node is across, the smallest 0. `before`, `after`: room that it takes on either side of its centre.
# The sum of the squared lengths of all arrows is made small, layer by layer, which keeps the rank and the gap.
places_across <- function(layers, before, after, gap) {
  layer <- layers$nodes$layer
  pairs <- link_pairs(layer, layers$links)
  pull <- pulls(layers$nodes$name, pairs)
  near <- lapply(seq_along(layer), function(i) list(at = c(pairs[pairs[, 2L] == i, 1L], pairs[pairs[, 1L] == i, 2L]),
    pull = c(pull[pairs[, 2L] == i], pull[pairs[, 1L] == i])))
  held <- vapply(near, function(n) sum(n$pull, 0.01), 0)
  rows <- lapply(seq_len(max(layer)), function(l) {
    here <- which(layer == l)
    here[order(layers$nodes$rank[here])]
  })
  apart <- lapply(rows, function(here) {
    cumsum(c(0, after[here[-length(here)]] + before[here[-1L]] + gap))[seq_along(here)]
  })
  at <- numeric(length(layer))
  for (l in seq_along(rows)) at[rows[[l]]] <- apart[[l]] - mean(range(apart[[l]]))
  for (turn in 1:400) {
    last <- at
    for (l in if (turn %% 2L) seq_along(rows) else rev(seq_along(rows))) {
      here <- rows[[l]]
      wanted <- vapply(here, function(i) (sum(near[[i]]$pull * at[near[[i]]$at]) + 0.01 * at[[i]]) / held[[i]], 0)
      at[here] <- apart[[l]] + rising(wanted - apart[[l]], held[here])
    }
    if (max(abs(at - last)) < 1e-5) break
  }
  at <- straightened(at, layer, pairs, layers$nodes$name, rows, apart)
  at - min(at - before)
}

# Runs of nodes that follow each other, points of an arrow or steps, are put in one line where there is room.
straightened <- function(at, layer, pairs, name, rows, apart) {
  leads <- tabulate(pairs[, 1L], length(at))
  led <- tabulate(pairs[, 2L], length(at))
  joined <- pairs[leads[pairs[, 1L]] == 1L & led[pairs[, 2L]] == 1L, , drop = FALSE]
  run <- seq_along(at)
  for (i in seq_len(nrow(joined))[order(layer[joined[, 1L]])]) run[run == run[[joined[i, 2L]]]] <- run[[joined[i, 1L]]]
  fits <- function(tried, members) {
    all(vapply(unique(layer[members]), function(l) all(diff(tried[rows[[l]]] - apart[[l]]) > -1e-6), NA))
  }
  for (members in split(seq_along(at), run)) {
    if (length(members) < 2L) next
    spots <- at[members][order(is.na(name[members]))]
    for (spot in c(spots[!is.na(name[members])], mean(at[members]), spots)) {
      tried <- replace(at, members, spot)
      if (fits(tried, members)) {
        at <- tried
        break
      }
    }
  }
  at
}

# How strongly each pair pulls together. Points are held in line, so that long arrows are straight; so are steps
# that just follow each other.
pulls <- function(name, pairs) {
  point <- is.na(name)
  points <- point[pairs[, 1L]] + point[pairs[, 2L]]
  alone <- tabulate(pairs[, 1L], length(name))[pairs[, 1L]] == 1L & tabulate(pairs[, 2L], length(name))[pairs[, 2L]] == 1L
  c(1, 3, 12)[1L + points] * ifelse(alone & !points, 6, 1)
}

# The rising sequence that is nearest to x: neighbours in the wrong order share their mean.
rising <- function(x, weight) {
  value <- numeric()
  mass <- numeric()
  size <- integer()
  for (i in seq_along(x)) {
    value <- c(value, x[[i]])
    mass <- c(mass, weight[[i]])
    size <- c(size, 1L)
    while (length(value) > 1L && value[[length(value) - 1L]] > value[[length(value)]]) {
      n <- length(value)
      value[[n - 1L]] <- sum(value[n - 1:0] * mass[n - 1:0]) / sum(mass[n - 1:0])
      mass[[n - 1L]] <- sum(mass[n - 1:0])
      size[[n - 1L]] <- sum(size[n - 1:0])
      value <- value[-n]
      mass <- mass[-n]
      size <- size[-n]
    }
  }
  rep(value, size)
}
