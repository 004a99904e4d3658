/*
 * A client for set-top boxes and televisions: ES5, one file, XMLHttpRequest and nothing else.
 *
 *   var box = QuadrilleBox({ origin: 'https://tv.example', key: 'dev-…', deviceId: 'stb-4100' });
 *   box.games(function (error, games) { … });
 *   box.watch({ games: ['nyk-bos', 'lal-gsw'] }, function (error, session) { video.src = session.playback_url; });
 *   box.swap(1, 'chi-orl', function (error, session) { … });     // the player notices nothing but the picture
 *   box.stop(function () { … });
 *
 * `error` is null, or has `code` (stable: branch on it), `detail` (for people), `status`, and `field` and `allowed` where there are any.
 * Status 0 is a request that got no answer. What may be asked again is asked again, by itself: lost answers, 503 and 429.
 */
(function (root) {
  'use strict';

  /* So often, and no longer than this between two attempts. */
  var ATTEMPTS = 5;
  var LONGEST_WAIT_MS = 10000;
  var ANSWER_WITHIN_MS = 15000;

  function parsed(text) {
    try {
      return JSON.parse(text);
    } catch (ignored) {
      return null;
    }
  }

  /* A name for one attempt to make a session: the same through all its repeats. */
  function freshName() {
    return new Date().getTime().toString(36) + Math.random().toString(36).slice(2, 12);
  }

  function QuadrilleBox(options) {
    var session = null;
    var etag = null;
    /* Changes go one after the other: the second is made of what the first left. */
    var waiting = [];
    var isBusy = false;

    function send(method, path, body, headers, done, attempt) {
      var request = new XMLHttpRequest();
      var isOver = false;
      var tries = attempt || 1;

      function finish(status, text) {
        var answer;
        var retryAfter;
        var wait;
        if (isOver) {
          return;
        }
        isOver = true;
        answer = parsed(text);
        if (status >= 200 && status < 300) {
          done(null, answer, request.getResponseHeader('ETag'));
          return;
        }
        if ((status === 0 || status === 503 || status === 429) && tries < ATTEMPTS) {
          retryAfter = status === 0 ? NaN : parseInt(request.getResponseHeader('Retry-After'), 10);
          wait = isNaN(retryAfter) ? 500 * Math.pow(2, tries - 1) : retryAfter * 1000;
          /* Boxes that were refused together are not to come back together. */
          setTimeout(function () {
            send(method, path, body, headers, done, tries + 1);
          }, Math.min(wait, LONGEST_WAIT_MS) * (0.75 + 0.5 * Math.random()));
          return;
        }
        answer = answer || {};
        done({
          status: status,
          code: answer.code || 'no_answer',
          detail: answer.detail || 'The service does not answer.',
          field: answer.field,
          allowed: answer.allowed
        });
      }

      request.open(method, options.origin + path, true);
      request.timeout = ANSWER_WITHIN_MS;
      request.setRequestHeader('Authorization', 'Bearer ' + options.key);
      if (body) {
        request.setRequestHeader('Content-Type', 'application/json');
      }
      Object.keys(headers || {}).forEach(function (name) {
        request.setRequestHeader(name, headers[name]);
      });
      request.onreadystatechange = function () {
        if (request.readyState === 4) {
          finish(request.status, request.responseText || '');
        }
      };
      request.ontimeout = function () {
        finish(0, '');
      };
      request.send(body ? JSON.stringify(body) : null);
    }

    function take(done) {
      return function (error, answer, tag) {
        if (!error) {
          session = answer;
          etag = tag;
        }
        done(error, error ? undefined : answer);
      };
    }

    function next() {
      var job;
      if (isBusy || waiting.length === 0) {
        return;
      }
      isBusy = true;
      job = waiting.shift();
      job(function () {
        isBusy = false;
        next();
      });
    }

    /* Puts `job` behind those that wait; `done` is called when it is over. */
    function queue(job, done) {
      waiting.push(function (over) {
        job(function (error, value) {
          over();
          done(error, value);
        });
      });
      next();
    }

    function change(what, done) {
      queue(function (over) {
        var body = typeof what === 'function' ? what() : what;
        if (!session) {
          over({ status: 0, code: 'no_session', detail: 'Nothing is watched.' });
          return;
        }
        send('PATCH', '/v1/sessions/' + session.id, body, { 'If-Match': etag }, take(function (error, changed) {
          if (error && error.code === 'revision_stale') {
            /* Somebody else changed it, an app on a telephone perhaps: take what it is now, and ask once more. */
            send('GET', '/v1/sessions/' + session.id, null, null, take(function (failed) {
              if (failed) {
                over(failed);
                return;
              }
              body = typeof what === 'function' ? what() : what;
              send('PATCH', '/v1/sessions/' + session.id, body, { 'If-Match': etag }, take(over));
            }));
            return;
          }
          over(error, changed);
        }));
      }, done);
    }

    return {
      games: function (done) {
        send('GET', '/v1/games', null, null, done);
      },

      layouts: function (done) {
        send('GET', '/v1/layouts', null, null, done);
      },

      /* `wish`: { games, layout, audio, max_height, market, skin }, all but `games` as you like. */
      watch: function (wish, done) {
        var body = { device_id: options.deviceId };
        Object.keys(wish).forEach(function (name) {
          body[name] = wish[name];
        });
        queue(function (over) {
          send('POST', '/v1/sessions', body, { 'Idempotency-Key': freshName() }, take(over));
        }, done);
      },

      /* Another game in a slot; slots count from 0. */
      swap: function (slot, game, done) {
        change(function () {
          var games = session ? session.games.slice() : [];
          games[slot] = game;
          return { games: games };
        }, done);
      },

      listen: function (game, done) {
        change({ audio: game }, done);
      },

      arrange: function (games, layout, done) {
        change({ games: games, layout: layout }, done);
      },

      stop: function (done) {
        queue(function (over) {
          var ended = session;
          if (!ended) {
            over(null);
            return;
          }
          session = null;
          send('DELETE', '/v1/sessions/' + ended.id, null, null, function (error) {
            over(error);
          });
        }, done || function () {});
      },

      session: function () {
        return session;
      }
    };
  }

  if (typeof module !== 'undefined' && module.exports) {
    module.exports = QuadrilleBox;
  } else {
    root.QuadrilleBox = QuadrilleBox;
  }
}(this));
